// The page of routes: shows one page of /api/routes, and the settings of one service. It sorts nothing itself.

const ROWS = 100; // rows of one page
const PERIOD = 5000; // milliseconds between two requests for the present page
const $ = (selector, from = document) => from.querySelector(selector);

let offset = 0;
let counts = new Map(); // requests and errors of each route at the last request
let counted = 0; // the time of the last request, in milliseconds
let chosen = ""; // the service whose settings are shown

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function make(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text; // Texts of the registry are never HTML.
  return element;
}

async function read(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
}

function rowOf(route) {
  const row = $("#row").content.cloneNode(true).firstElementChild;
  for (const name of ["match", "route", "source"]) put($(`[data-cell="${name}"]`, row), route[name]);
  put($('[data-cell="blocked"]', row), route.blocked ? `answered with 503: ${route.blocked}` : "");
  const service = $('[data-cell="service"]', row);
  put(service, route.service);
  service.setAttribute("aria-label", `Settings of ${route.service}`);
  service.addEventListener("click", () => choose(route.service));
  return row;
}

// Rates between two requests: the API has totals since the start.
function showRates(page) {
  const now = performance.now();
  const elapsed = (now - counted) / 1000;
  const rows = [...$("#rows").children];
  const present = new Map();
  page.routes.forEach((route, place) => {
    const key = JSON.stringify([route.service, route.match, route.route]);
    present.set(key, route);
    const before = counts.get(key);
    for (const name of ["requests", "errors"]) {
      const rate = before ? Math.max(0, route[name] - before[name]) / elapsed : null;
      put($(`[data-cell="${name}"]`, rows[place]), rate === null ? "–" : rate.toFixed(rate < 10 ? 1 : 0));
    }
  });
  for (const cell of document.querySelectorAll("[data-count]")) cell.hidden = !page.counted;
  [counts, counted] = [present, now];
}

async function showRoutes() {
  const filter = new FormData($("#filter"));
  const query = new URLSearchParams({ service: filter.get("service"), host: filter.get("host"), offset, limit: ROWS });
  const page = await read(`/api/routes?${query}`);
  if (offset && offset >= page.matching) {
    offset = 0;
    await showRoutes();
    return;
  }
  const words = JSON.stringify(page.routes.map((each) => [each.match, each.route, each.service, each.source, each.blocked]));
  const rows = $("#rows");
  if (rows.dataset.words !== words) { // An unchanged page keeps the focus.
    rows.dataset.words = words;
    rows.replaceChildren(...page.routes.map(rowOf));
  }
  showRates(page);
  const last = offset + page.routes.length;
  put($("#count"), page.matching
    ? `${offset + 1} to ${last} of ${page.matching}${page.matching < page.total ? ` of ${page.total}` : ""} · generation ${page.generation}`
    : `none of ${page.total} routes`);
  $("#before").disabled = offset === 0;
  $("#after").disabled = last >= page.matching;
}

async function showProblems() {
  const problems = (await read("/api/problems")).filter((each) => each.about === "routes");
  const section = $("#problems");
  section.hidden = !problems.length;
  $("ul", section).replaceChildren(...problems.map((each) => {
    const item = make("li", `${each.service ? `${each.service}: ` : ""}${each.text}`);
    item.dataset.severity = each.severity;
    return item;
  }));
}

async function showSettings() {
  const section = $("#settings");
  section.hidden = !chosen;
  if (!chosen) return;
  const service = await read(`/api/services/${encodeURIComponent(chosen)}`);
  put($("#settings-title"), `Settings of ${chosen}`);
  $("tbody", section).replaceChildren(...service.settings.map((each) => {
    const row = document.createElement("tr");
    const name = make("th", each.name);
    name.scope = "row";
    row.append(name, make("td", each.value), make("td", each.origin));
    return row;
  }));
}

async function choose(service) {
  chosen = service;
  await show();
  $("#settings").scrollIntoView({ block: "nearest" });
}

async function show() {
  try {
    await Promise.all([showRoutes(), showProblems(), showSettings()]);
    put($("#live"), "");
  } catch (error) {
    put($("#live"), `no response from pylb (${error.message})`);
  }
}

$("#filter").addEventListener("submit", (event) => {
  event.preventDefault();
  offset = 0;
  show();
});
$("#before").addEventListener("click", () => { offset = Math.max(0, offset - ROWS); show(); });
$("#after").addEventListener("click", () => { offset += ROWS; show(); });

await show();
setInterval(show, PERIOD);

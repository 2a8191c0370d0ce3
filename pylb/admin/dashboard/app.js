// The dashboard: renders the events of the API. It computes nothing that the API already provides.

const WINDOW = 15 * 60; // maximum time range of the graphs in seconds
const SHORTEST = 60; // minimum time range; between the two, the graphs show all samples
const RESTORED = 300; // seconds for which failures of a restored backend are ignored
const MARGIN = 52; // pixels on the left for the labels of the scale
const $ = (selector, from = document) => from.querySelector(selector);

let state = null;
let samples = {}; // by service
const changes = new Map(); // history entries by number
const rows = new Map(); // table rows by service and address, reused so that the focus is kept
const pools = new Map();

// --- number formats

const number = (value) => (value === null || value === undefined ? "–"
  : value >= 1000 ? Math.round(value).toLocaleString("en") : value.toFixed(value >= 10 || Number.isInteger(value) ? 0 : 1));

function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value < 0.001) return `${(value * 1e6).toFixed(0)} µs`;
  if (value < 1) return `${(value * 1e3).toFixed(value < 0.01 ? 1 : 0)} ms`;
  return value < 120 ? `${value.toFixed(value < 10 ? 1 : 0)} s` : `${(value / 60).toFixed(0)} min`;
}

const clock = (epoch) => new Date(epoch * 1000).toLocaleTimeString("en-GB");

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function make(tag, text, kind) {
  const element = document.createElement(tag);
  element.textContent = text;
  if (kind) element.className = kind;
  return element;
}

// --- selected service

const chosen = () => $("#service").value;
const shown = (service) => !chosen() || chosen() === service;

function offer(services) {
  const select = $("#service");
  const names = services.map((each) => each.service);
  if (select.dataset.names !== names.join()) {
    const before = select.value;
    select.dataset.names = names.join();
    select.replaceChildren(new Option("all", ""), ...names.map((name) => new Option(name)));
    select.value = names.includes(before) ? before : "";
    $("#choice").hidden = services.length < 2;
  }
}

// --- figures

function merge(all) {
  const traffic = all.filter(Boolean);
  const sum = (field) => traffic.reduce((total, each) => total + each[field], 0);
  const worst = (field) => traffic.reduce((most, each) => (each[field] === null ? most : Math.max(most ?? 0, each[field])), null);
  return { requests: sum("requests"), errors: sum("errors"), p50: worst("p50"), p99: worst("p99") };
}

function showFigures() {
  const services = state.services.filter((each) => shown(each.service));
  const backends = state.backends.filter((each) => shown(each.service));
  const total = merge(services.map((each) => each.traffic));
  const up = backends.filter((each) => each.state === "up" && each.weight > 0).length;
  const ages = services.map((each) => each.age_seconds);
  const age = ages.includes(null) ? null : Math.max(...ages);
  const figures = {
    requests: number(total.requests), errors: number(total.errors), p50: seconds(total.p50), p99: seconds(total.p99),
    in_flight: number(backends.reduce((sum, each) => sum + each.in_flight, 0)),
    connections: number(state.connections), http2_connections: number(state.http2_connections),
    http2_streams: number(state.http2_streams), up: `${up} of ${backends.length}`, age: seconds(age),
  };
  for (const [name, text] of Object.entries(figures)) put($(`[data-figure="${name}"]`), text);
  for (const name of ["http2_connections", "http2_streams"]) {
    $(`[data-figure="${name}"]`).parentNode.hidden = !state.http2_connections;
  }
  $('[data-figure="errors"]').classList.toggle("alarm", total.errors > 0);
  $('[data-figure="up"]').classList.toggle("alarm", up === 0);
}

function showProblems() {
  const section = $("#problems");
  const problems = state.problems.filter((each) => !each.service || shown(each.service));
  const words = JSON.stringify(problems);
  if (section.dataset.words === words) return;
  section.dataset.words = words;
  section.hidden = !problems.length;
  $("ul", section).replaceChildren(...problems.map((each) => {
    const item = make("li", `${each.service ? `${each.service}: ` : ""}${each.text}`);
    item.dataset.severity = each.severity;
    return item;
  }));
}

// --- backends

function poolOf(service) {
  if (!pools.has(service)) {
    const pool = $("#pool").content.cloneNode(true).firstElementChild;
    put($("h3", pool), service);
    $("table", pool).setAttribute("aria-label", `Backends of ${service}`);
    $("#tables").append(pool);
    pools.set(service, pool);
  }
  return pools.get(service);
}

function showBackends() {
  const names = new Set(state.services.map((each) => each.service));
  for (const [name, pool] of pools) {
    if (names.has(name)) continue;
    pool.remove(); // The service has lost its last route.
    pools.delete(name);
  }
  for (const each of state.services) {
    const pool = poolOf(each.service);
    pool.hidden = !shown(each.service);
    const age = each.age_seconds === null ? "no response from the registry yet" : `registry answered ${seconds(each.age_seconds)} ago`;
    put($(".fresh", pool), `${each.policy} · generation ${each.generation} · ${age}`);
  }
  const present = new Set();
  for (const backend of [...state.backends].sort((a, b) => a.service.localeCompare(b.service)
      || (a.id || a.address).localeCompare(b.id || b.address, "en", { numeric: true }))) {
    const key = `${backend.service} ${backend.address}`;
    present.add(key);
    if (!rows.has(key)) rows.set(key, $("#row").content.cloneNode(true).firstElementChild);
    showBackend(rows.get(key), backend);
    const body = $("tbody", poolOf(backend.service));
    if (rows.get(key).parentNode !== body) insertInOrder(body, rows.get(key));
  }
  for (const [key, row] of rows) {
    if (!present.has(key)) { row.remove(); rows.delete(key); }
  }
}

function insertInOrder(body, row) {
  const after = [...body.children].find((each) => each.dataset.name.localeCompare(row.dataset.name, "en", { numeric: true }) > 0);
  body.insertBefore(row, after ?? null);
}

function protocolOf(backend) {
  const { http2_connections: connections, http2_streams: streams } = backend;
  if (!connections) return { http1: "", h2: "HTTP/2", auto: "HTTP/1.1 or HTTP/2" }[backend.protocol];
  const plural = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;
  return `HTTP/2: ${plural(connections, "connection")}, ${plural(streams, "stream")}`;
}

function showBackend(row, backend) {
  const name = backend.id || backend.address;
  const out = backend.state === "drained" || backend.state === "out";
  const traffic = backend.traffic ?? {};
  row.dataset.name = name;
  row.dataset.state = backend.state;
  row.dataset.backend = name;
  row.dataset.service = backend.service;
  const cells = {
    name, address: backend.id && backend.id !== backend.address ? backend.address : "", state: backend.state, why: backend.why,
    protocol: out ? "" : protocolOf(backend),
    weight: out ? "–" : number(backend.weight), in_flight: out ? "–" : number(backend.in_flight),
    requests: out ? "–" : number(traffic.requests), errors: out ? "–" : number(traffic.errors),
    p50: seconds(traffic.p50), p99: seconds(traffic.p99),
  };
  for (const [cell, text] of Object.entries(cells)) put($(`[data-cell="${cell}"]`, row), text);
  $('[data-cell="state"]', row).dataset.state = backend.state;
  $('[data-cell="errors"]', row).classList.toggle("alarm", !out && traffic.errors > 0);
  const drained = overrideOf(backend, "drain");
  const drain = $('[data-do="drain"]', row);
  put(drain, drained ? "Undrain" : "Drain");
  drain.hidden = backend.state === "out" && !drained;
  drain.setAttribute("aria-label", `${drain.textContent} ${name}`);
  const weight = $('[data-do="weight"]', row);
  weight.hidden = out;
  weight.setAttribute("aria-label", `Weight of ${name}`);
  const restore = $('[data-do="restore"]', row);
  restore.hidden = !["suspect", "ejected", "half-open", "failed"].includes(backend.state);
  restore.setAttribute("aria-label", `Restore ${name} for ${RESTORED / 60} minutes`);
  $("path.area", row).setAttribute("d", spark(backend.requests, "area"));
  $("path.p99", row).setAttribute("d", spark(backend.p99));
}

function spark(values, area) {
  const top = Math.max(...values.filter((value) => value !== null), 0) || 1;
  const x = (i) => 60 - values.length + i + 1;
  let [d, before] = ["", -2];
  values.forEach((value, i) => {
    if (value === null) return;
    d += `${before === i - 1 ? "L" : "M"}${x(i)} ${(17 - (value / top) * 16).toFixed(1)}`;
    before = i;
  });
  return area && d ? `${d}L60 17L${x(0)} 17Z` : d || "M0 17";
}

const overrideOf = (backend, action) => state.overrides.find((each) => each.service === backend.service
  && each.action === action && [backend.id, backend.address].includes(each.backend));

function showOverrides() {
  const section = $("#overrides");
  const words = JSON.stringify(state.overrides);
  if (section.dataset.words === words) return;
  section.dataset.words = words;
  section.hidden = !state.overrides.length;
  $("ul", section).replaceChildren(...state.overrides.map((each) => {
    const value = { weight: each.weight, policy: each.policy, "log-level": each.level }[each.action] ?? "";
    const what = `${each.service || "pylb"}: ${[each.action, value, each.backend].filter((word) => word !== "").join(" ")}`;
    const until = each.expires ? `until ${clock(each.expires)}` : "until revoked";
    const item = make("li", what);
    const back = make("button", "Revoke");
    back.type = "button";
    back.setAttribute("aria-label", `Revoke: ${what}`);
    back.addEventListener("click", () => revoke(each));
    item.append(make("small", [`since ${clock(each.since)}`, until, each.reason].filter(Boolean).join(" · ")), back);
    return item;
  }));
}

// --- history

function showHistory() {
  const entries = [...changes.values()].filter((each) => shown(each.service)).sort((a, b) => b.number - a.number).slice(0, 100);
  $("#history").dataset.services = state?.services.length ?? 1;
  $("#history").replaceChildren(...entries.map((each) => {
    const item = document.createElement("li");
    const diff = make("span", "", "diff");
    const add = (names, mark, kind) => names.slice(0, 8).forEach((name) => diff.append(make("span", `${mark}${name}`, kind)));
    add(each.added, "+", "plus");
    add(each.changed, "~", "changed");
    add(each.removed.map((name) => name.replace(` (${each.cause})`, "")), "−", "minus");
    const cause = each.cause.replace(/: [+~-]\S.*$/, ""); // the list of changes is shown separately
    const took = [each.applied === null ? "" : `applied in ${seconds(each.applied)}`,
      each.routed === null ? "" : `first request after ${seconds(each.routed)}`].filter(Boolean).join(" · ");
    item.append(make("time", clock(each.time)), make("span", each.service, "of"), diff,
      make("span", each.untrusted_reason ? `${cause} (retained: ${each.untrusted_reason})` : cause, "cause"), make("span", took, "took"));
    return item;
  }));
}

// --- graphs

function showGraphs() {
  const now = state.time;
  const rings = Object.entries(samples).filter(([service]) => shown(service)).map(([, ring]) => ring);
  const byTime = new Map();
  for (const ring of rings) for (const each of ring) byTime.set(each.time, [...(byTime.get(each.time) ?? []), each]);
  const points = [...byTime].sort(([a], [b]) => a - b).map(([time, all]) => ({ time, ...merge(all) }));
  const marks = [...changes.values()].filter((each) => shown(each.service)).map((each) => each.time);
  const span = Math.min(WINDOW, Math.max(SHORTEST, points.length ? now - points[0].time : 0));
  for (const start of document.querySelectorAll(".axis span:first-child")) put(start, `${seconds(span)} ago`);
  draw($("#traffic"), points, [["requests", "area"], ["requests"], ["errors"]], [now, span], number, marks);
  draw($("#latency"), points, [["p50"], ["p99"]], [now, span], seconds, marks);
}

function draw(svg, points, lines, [now, span], words, marks) {
  const [width, height] = [svg.clientWidth || 500, svg.clientHeight || 132];
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const top = nice(Math.max(...points.flatMap((point) => lines.map(([field]) => point[field] ?? 0)), 0));
  const x = (time) => (MARGIN + (width - MARGIN) * (time - now + span) / span).toFixed(1);
  const y = (value) => (height - 1 - (height - 16) * value / top).toFixed(1);
  const shapes = [path("grid", [0, top / 2, top].map((value) => `M${MARGIN} ${y(value)}H${width}`).join(""))];
  shapes.push(...marks.filter((time) => time > now - span).map((time) => path("change", `M${x(time)} ${y(top)}V${height}`)));
  for (const [field, area] of lines) {
    if (field === "errors" && points.every((point) => !point.errors)) continue; // no line without errors
    let d = "";
    let before = 0;
    for (const point of points.filter((each) => each[field] !== null)) {
      d += `${before && point.time - before < 15 ? "L" : "M"}${x(point.time)} ${y(point[field])}`;
      before = point.time;
    }
    if (area && d) d += `L${x(before)} ${y(0)}L${x(points[0].time)} ${y(0)}Z`;
    shapes.push(path(area ?? field, d));
  }
  shapes.push(label(0, +y(top) + 4, words(top)), label(0, +y(top / 2) + 4, words(top / 2)));
  svg.replaceChildren(...shapes);
}

function nice(value) {
  if (!value) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((step) => value <= step * power) * power;
}

function path(kind, d) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", "path");
  element.setAttribute("class", kind);
  element.setAttribute("d", d);
  return element;
}

function label(x, y, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", "text");
  element.setAttribute("x", x);
  element.setAttribute("y", y);
  element.textContent = text;
  return element;
}

// --- overrides

async function change(method, where, body) {
  const headers = { "Content-Type": "application/json" };
  const token = sessionStorage.getItem("token");
  if (token) headers.Authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(where, { method, headers, body: body && JSON.stringify(body) });
  } catch {
    put($("#live"), "pylb is not reachable; the change was not applied");
    return;
  }
  if (response.status === 401 && await confirmed("#token")) {
    sessionStorage.setItem("token", $("#token input").value);
    return change(method, where, body);
  }
  put($("#live"), response.ok ? "" : (await response.json()).error);
}

function confirmed(selector) {
  const dialog = $(selector);
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(
    !["", "cancel"].includes(dialog.returnValue)), { once: true }));
}

const revoke = (override) => change("DELETE", `/api/overrides/${override.id}`);

$("#tables").addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { service, backend } = button.closest("tr").dataset;
  const now = state.backends.find((each) => each.service === service && [each.id, each.address].includes(backend));
  if (button.dataset.do === "drain") {
    const drained = now && overrideOf(now, "drain");
    await (drained ? revoke(drained) : change("POST", "/api/overrides", { service, action: "drain", backend }));
    return;
  }
  if (button.dataset.do === "restore") {
    await change("POST", "/api/overrides", { service, action: "restore", backend, seconds: RESTORED });
    return;
  }
  const form = $("#weight form");
  put($("#weight-title"), `Weight of ${backend}`);
  form.elements.weight.value = now?.weight ?? 1;
  if (!await confirmed("#weight")) return;
  const body = { service, action: "weight", backend, weight: Number(form.elements.weight.value) };
  if (form.elements.seconds.value) body.seconds = Number(form.elements.seconds.value);
  if (form.elements.reason.value) body.reason = form.elements.reason.value;
  await change("POST", "/api/overrides", body);
});

// --- events

function show() {
  if (!state) return;
  offer(state.services);
  put($("#life span"), state.state);
  $("#life").dataset.state = state.state;
  put($("#version"), `pylb ${state.version}`);
  document.title = `${state.problems.some((each) => each.severity === "error") ? "● " : ""}pylb`;
  showFigures();
  showProblems();
  showBackends();
  showOverrides();
  showGraphs();
}

function follow() {
  const events = new EventSource("/api/events");
  events.addEventListener("open", async () => {
    put($("#live"), "");
    changes.clear();
    samples = await (await fetch("/api/samples")).json();
    show();
  });
  events.addEventListener("state", (event) => {
    state = JSON.parse(event.data);
    for (const { service, traffic } of state.services) {
      const ring = samples[service] ??= [];
      if (traffic && traffic.time > (ring.at(-1)?.time ?? 0)) ring.push(traffic);
      while (ring.length && ring[0].time < state.time - WINDOW) ring.shift();
    }
    show();
  });
  events.addEventListener("history", (event) => {
    const entries = JSON.parse(event.data);
    const before = JSON.stringify([...changes.values()].slice(-entries.length));
    for (const each of entries) changes.set(each.number, each);
    if (before !== event.data || !entries.length) showHistory();
  });
  events.addEventListener("error", () => {
    $("#life").dataset.state = "lost";
    put($("#life span"), "not reachable");
    put($("#live"), "reconnecting; showing the last known state");
    // The browser reconnects by itself, except after a response that is not an event stream.
    if (events.readyState === EventSource.CLOSED) setTimeout(follow, 2000);
  });
}

$("#service").addEventListener("change", () => { show(); showHistory(); });
addEventListener("resize", () => state && showGraphs());
follow();

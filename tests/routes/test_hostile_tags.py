"""Tags, labels, routes and files written by an attacker: bounded time and output, no added line in a head.

Any program that can register an instance writes these texts, and any client sends the requests.
"""

import re
from time import process_time

from hypothesis import given
from hypothesis import strategies as st

from pylb.model import Endpoint
from pylb.routes.catalog import LONGEST_PROBLEM, Catalog, Rules
from pylb.routes.fabio import read_tag
from pylb.routes.file import read_file
from pylb.routes.grammar import parse_route
from pylb.routes.traefik.routers import MOST_ROUTES, read_tags
from tests.every import every
from tests.routes.heads import CLIENT, SECURE, compiled, head

MOST_SECONDS = 0.5
"""CPU time of one instance; each of the limits allows far less."""

VALUES = st.sampled_from([
    "/a", "/api", "a.io", "*.io", "http://x/$path", "https://$host$path", "301,/x", "302,//evil.io",
    "ip:10.0.0.0/8", "127.0.0.1/32", "X-A", "1", "true", "dst", "Host", "Content-Length",
    "Transfer-Encoding", "X-Forwarded-For", "a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rX-Evil: 1", "\x00",
    "\x85", "\u2028", "\u212a", "é", "%0d%0a", "$1", "${1}", "^https?://(.*)", "^/(.*)", "(a+)+$", ".*",
    "`", "'", '"', "\\", " ", "\t", "=", ",", ";", "{a,b}", "$DC", "",
])  # fmt: skip
TEXT = st.lists(VALUES, max_size=4).map("".join) | st.text(max_size=12)
NAMES = st.sampled_from([
    "strip", "prepend", "host", "redirect", "allow", "deny", "auth", "proto", "weight", "register",
    "rewrite", "respond", "set:X-A", "add:X-A", "remove:X-A", "response-set:X-A", "set:Host", "header:X-A",
    "query:a", "path", "method", "scheme", "weight-by", "response-timeout",
])  # fmt: skip
KEYS = st.sampled_from([
    "enable", "http.routers.r.rule", "http.routers.r.priority", "http.routers.r.entrypoints",
    "http.routers.r.tls", "http.routers.r.service", "http.routers.r.middlewares", "http.routers.q.rule",
    "http.middlewares.m.stripprefix.prefixes", "http.middlewares.m.addprefix.prefix",
    "http.middlewares.m.replacepath.path", "http.middlewares.m.replacepathregex.regex",
    "http.middlewares.m.replacepathregex.replacement", "http.middlewares.m.stripprefixregex.regex",
    "http.middlewares.m.redirectregex.regex", "http.middlewares.m.redirectregex.replacement",
    "http.middlewares.m.redirectscheme.scheme", "http.middlewares.m.redirectscheme.port",
    "http.middlewares.m.headers.customrequestheaders.x-a",
    "http.middlewares.m.headers.customrequestheaders.host",
    "http.middlewares.m.headers.customresponseheaders.x-a", "http.middlewares.m.headers.stsseconds",
    "http.middlewares.m.headers.contentsecuritypolicy", "http.middlewares.m.chain.middlewares",
    "http.middlewares.m.ipallowlist.sourcerange", "http.services.s.loadbalancer.server.port",
    "http.services.s.loadbalancer.passhostheader",
])  # fmt: skip
RULES = st.sampled_from([
    "PathPrefix(`/`)", "Host(`a.io`)", "HostRegexp(`^.+\\.io$`)", "PathRegexp(`^/a`)",
    "Host(`a.io`) || Path(`/api`)",
])  # fmt: skip
FABIO = st.builds(
    lambda place, words: f"urlprefix-{place} " + " ".join(f"{name}={value}" for name, value in words),
    st.sampled_from(["/", "/a", "a.io/", "*.io/a", "{a,b}.io/"]) | TEXT,
    st.lists(st.tuples(NAMES, TEXT), max_size=3),
)
LABELS = st.builds(lambda key, value: f"traefik.{key}={value}", KEYS, TEXT | RULES)
OWN = st.builds(
    lambda place, words: f"{place} " + " ".join(f"'{name}={value}'" for name, value in words),
    st.sampled_from(["/", "/a", "a.io/", "*.io/a"]) | TEXT,
    st.lists(st.tuples(NAMES, TEXT), max_size=3),
)
LINES = re.compile(rb"(?:[A-Za-z][!-9;-~]*: [\t -~\x80-\xff]*\r\n)*")
"""Complete lines of fields, and nothing else."""


def table(tags, meta=()):
    """The table of a service with one instance, and the texts of what is not served as declared."""
    catalog = Catalog(Rules(datacenter="dc1"))
    catalog.read("web", [Endpoint("web", "127.0.0.1", 80, id="web-1", tags=tuple(tags), meta=tuple(meta))])
    declaration = catalog.declaration("web")
    problems = [problem.text for problem in catalog.problems("web")]
    routes = compiled(declaration.routes if declaration else ())
    return routes, problems + [problem.text for problem in routes.problems]


REQUESTS = [
    head("/a?b=c", "a.io", "Cookie: a=b", "X-A: 1"),
    head("/api/%0d%0aX-Evil:1", "b.io"),
    head("/a/..%2f%2e/x", "c.d.io:8080", method="POST"),
    head("//evil.io/%5cx", "evil.io"),
]


def forwarded(found, request, client):
    """What a backend or a client receives: lines of fields, or a Location."""
    path, stripped = found.edit_path(b"/a/x") if found.edit_path else (b"/a/x", b"")
    if found.route.actions.answers:
        answer = found.answer(request, path, stripped)
        return b"Location: %b\r\n" % answer.location
    edit = found.edit_request(stripped)
    block = b" HTTP/1.1\r\nHost: a.io\r\nX-Forwarded-For: 1\r\nX-Request-ID: "
    return edit(block, b"10.0.0.1:80").partition(b"\n")[2].rpartition(b"\n")[0] + b"\n" if edit else b""


@given(st.lists(FABIO | LABELS, max_size=8), st.lists(OWN, max_size=2))
def test_no_tag_writes_a_line_of_its_own_or_raises(tags, own):
    routes, problems = table(
        [*tags, "traefik.http.routers.r.middlewares=m"], [("lb_route", each) for each in own]
    )
    for text in problems:
        assert text.isprintable()
        assert len(text) <= LONGEST_PROBLEM + 300
    for request in REQUESTS:
        for client in (CLIENT, SECURE):
            found = routes.match(b"/a/x", request, client)
            if found is None or found.route.blocked:
                continue
            try:
                lines = forwarded(found, request, client)
            except ValueError:  # Answered with 400.
                continue
            assert LINES.fullmatch(lines), lines
            for action in (*found.route.actions.fields, *found.route.actions.response_fields):
                assert (action.name + action.value).isprintable()


REPEATED = [
    "{", "{a,b}", "{a,", "$", "${DC}", "$DC", "*", "*.", "a.", "-", "/", "/..", "%2e", "=", ",", "ip:",
    "ip:10.0.0.0/8,", "(", "!", "!(", "((", "`", "``", '"', '\\"', "||", "&&", "Host(`a`)||",
    "!Host(`a`)&&", "(Path(`/a`)||Path(`/b`))&&", "[", "[^", "a*", "(a|b)", "(a?)", ".*", "a{9}", "|", "$1",
    "m,", "10.0.0.0/8,", " a=b", " 'a'", "\\", "\u212a",
]  # fmt: skip


def timed(read, text):
    """The CPU time of a reader that accepts a text or refuses it with one line."""
    started = process_time()
    refused = ""
    try:
        read(text)
    except ValueError as error:
        refused = str(error)
    took = process_time() - started
    assert refused.isprintable()
    return took


def labelled(key):
    rule = "traefik.http.routers.r.rule=Path(`/a`)"
    return lambda text: read_tags(
        "web", [rule, "traefik.http.routers.r.middlewares=m", f"traefik.http.{key}={text}"]
    )


READERS = {
    "tag": lambda text: read_tag(f"urlprefix-{text}", "web", datacenter="dc1"),
    "option": lambda text: read_tag(f"urlprefix-/a redirect={text} allow={text} host={text}", "web"),
    "route": lambda text: parse_route("web", text),
    "file": lambda text: read_file(f"[services.web]\nroutes = [{text!r}]\nx = {text!r}\n", "routes.toml"),
    "rule": labelled("routers.r.rule"),
    "middlewares": labelled("routers.r.middlewares"),
    "chain": labelled("middlewares.m.chain.middlewares"),
    "redirect": labelled("middlewares.m.redirectregex.regex"),
    "replace": labelled("middlewares.m.replacepathregex.regex"),
    "template": labelled("middlewares.m.redirectregex.replacement"),
    "networks": labelled("middlewares.m.ipallowlist.sourcerange"),
}


@every(("name", "piece"), [(name, piece) for name in READERS for piece in REPEATED])
def test_a_text_that_repeats_a_piece_is_read_in_little_time(name, piece):
    for size in (60, 1_000, 4_000, 100_000):
        assert timed(READERS[name], piece * (size // len(piece))) < MOST_SECONDS


def test_middlewares_that_name_each_other_end():
    tags = ["traefik.http.routers.r.rule=Path(`/a`)", "traefik.http.routers.r.middlewares=m0"]
    tags += [f"traefik.http.middlewares.m{n}.chain.middlewares=m{n + 1},m{n + 1}" for n in range(60)]
    tags += ["traefik.http.middlewares.m60.chain.middlewares=m0"]
    assert timed(lambda tags: read_tags("web", tags), tags) < MOST_SECONDS
    assert "more than 32 middlewares" in read_tags("web", tags).routes[0].blocked


def test_rules_and_redirects_do_not_multiply_without_a_limit():
    tags = [f"traefik.http.middlewares.m{n}.redirectscheme.scheme=https" for n in range(31)]
    rule = "||".join(f"Path(`/p{n}`)" for n in range(64))
    names = ",".join(f"m{n}" for n in range(31))
    for n in range(60):
        tags += [f"traefik.http.routers.r{n}.rule={rule}", f"traefik.http.routers.r{n}.middlewares={names}"]
    started = process_time()
    read = read_tags("web", tags)
    assert process_time() - started < MOST_SECONDS
    assert len(read.routes) <= MOST_ROUTES
    assert any("the others are ignored" in text for text in read.problems)


def test_a_large_file_is_read_in_time_that_grows_with_its_size():
    services = 1_000
    text = "".join(
        f'[services.s{n}]\nroutes = ["h{n}.io", "/\\u0073{n}"]\nretries = 0\n' for n in range(services)
    )
    started = process_time()
    assert len(read_file(text, "routes.toml")) == services
    assert process_time() - started < 2

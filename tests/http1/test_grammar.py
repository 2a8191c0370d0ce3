import re
import time
from re import _constants as codes
from re import _parser as sre

from pylb.http1 import bad_request, body, grammar, headers, parser, writer
from tests.every import every

PATTERNS = {
    f"{module.__name__.rpartition('.')[2]}.{name}.{number}": pattern
    for module in (body, grammar, headers, parser, bad_request, writer)
    for name, value in vars(module).items()
    for number, pattern in enumerate(
        [value.complete, value.partial] if isinstance(value, body._Framing) else [value]
    )
    if isinstance(pattern, re.Pattern)
}

ONE_CHARACTER = [[codes.IN], [codes.LITERAL], [codes.NOT_LITERAL]]

H = b"GET / HTTP/1.1\r\nHost: shop.example\r\n"
R = b"HTTP/1.1 200 OK\r\n"


def operations(tree, inside=()):
    """Yield all operations of a parsed pattern with their arguments and enclosing operations."""
    for operation, argument in tree:
        yield operation, argument, inside
        for part in argument if isinstance(argument, tuple | list) else [argument]:
            if isinstance(part, sre.SubPattern):
                yield from operations(part, (*inside, operation))
            elif isinstance(part, list):
                for alternative in part:
                    if isinstance(alternative, sre.SubPattern):
                        yield from operations(alternative, (*inside, operation))


def unsafe(pattern):
    """Return the defective constructs of a pattern; see the docstring of `pylb/http1/grammar.py`."""
    repeats = {codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT}
    found = []
    for operation, argument, inside in operations(sre.parse(pattern)):
        if operation is codes.POSSESSIVE_REPEAT and [what for what, _ in argument[2]] not in ONE_CHARACTER:
            found.append("a possessive repeat of more than a character")
        if operation is codes.SUBPATTERN and argument[0] is not None and repeats & set(inside):
            found.append("a captured group inside a repeat")
    return found


@every("name", PATTERNS)
def test_no_pattern_uses_defective_constructs(name):
    assert unsafe(PATTERNS[name].pattern) == []


def test_defective_constructs_are_detected():
    assert unsafe(rb"(?:[a-z]++:)*+") == ["a possessive repeat of more than a character"]
    assert unsafe(rb"(?:a|(b))*") == ["a captured group inside a repeat"]


@every(
    "lines",
    [
        b"",
        b"Content-Length: 0\r\n",
        b"transfer-encoding: chunked\r\n",
        b"Accept: */*\r\nConnection: Keep-Alive\r\nContent-Length: 12\r\nCookie: a=b\r\n",
        b"content-length: 12\r\nconnection: keep-alive\r\n",
        b"Connection: keep-alive\r\nX: y\r\nTransfer-Encoding: chunked\r\n",
        b"Connection: close\r\nX: y\r\nContent-Length: 3\r\n",
        b"X: y\r\nconnection: Close\r\n",
        b"Upgrade-Insecure-Requests: 1\r\nTea: x\r\nX-Forward: x\r\nContent-Type: x\r\nHosts: x\r\n",
    ],
)
def test_most_heads_have_no_special_lines(lines):
    assert grammar.REQUEST.fullmatch(H + lines + b"\r\n")["special"] is None
    assert grammar.RESPONSE.fullmatch(R + lines + b"\r\n")["special"] is None


SPECIAL_EVERYWHERE = [
    b"Content-Length: 1\r\nContent-Length: 1",
    b"Content-Length: 1\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nContent-Length: 1",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Content-Length: 1\r\nConnection: keep-alive\r\nContent-Length: 1",
    b"Content-Length: 1\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nConnection: keep-alive\r\nContent-Length: 1",
    b"Content-Length: 01",
    b"Content-Length:1",
    b"Content-Length: 1 ",
    b"Content-Length: chunked",
    b"Content-Length: 1000000000000000000",
    b"Transfer-Encoding: 1",
    b"Transfer-Encoding: Chunked",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding:  chunked",
    b"Connection: close\t",
    b"Connection:close",
    b"Connection: closed",
    b"Connection: keep-alive, close",
    b"Connection: keep-alive\r\nConnection: close",
    b"Connection: close\r\nConnection: keep-alive",
    b"Connection: close\r\nConnection: close",
    b"Content-Length: 1\r\nConnection: close\r\nContent-Length: 1",
    b"TE: trailers",
    b"Trailer: x",
    b"Upgrade: x",
    b"Keep-Alive: x",
    b"proxy-connection: x",
    b"PROXY-AUTHORIZATION: x",
    b"Proxy-Authenticate: x",
]
SPECIAL_IN_REQUESTS = [
    b"Host: a",
    b"Transfer_Encoding: chunked",
    b"content.length: 1",
    b"Expect: 100-continue",
    b"Proxy: x",
    b"Forwarded: x",
    b"X-Forwarded-For: x",
    b"x_forwarded_anything: x",
    b"X-Real-IP: x",
    b"X-Request-ID: x",
    b"x_request-id: x",
]


@every("line", SPECIAL_EVERYWHERE + SPECIAL_IN_REQUESTS)
def test_special_lines_of_a_request(line):
    match = grammar.REQUEST.fullmatch(H + b"A: b\r\n" + line + b"\r\nC: d\r\n\r\n")
    assert match["special"].endswith(line.rpartition(b"\r\n")[2] + b"\r\nC: d\r\n")


@every("early", [b"Content-Length: 1\r\n", b"transfer-encoding: chunked\r\n"])
@every(
    "line",
    [
        b"Content-Length: 1",
        b"Transfer-Encoding: chunked",
        b"Connection: keep-alive\r\nContent-Length: 1",
        b"Connection: close\r\nTransfer-Encoding: chunked",
    ],
)
def test_framing_before_the_host_excludes_other_framing(early, line):
    head = b"POST / HTTP/1.1\r\n" + early + b"A: b\r\nHost: a\r\n"
    match = grammar.REQUEST.fullmatch(head + b"\r\n")
    assert (match["early"], match["special"]) == (early.split()[-1], None)
    match = grammar.REQUEST.fullmatch(head + line + b"\r\nC: d\r\n\r\n")
    assert match["special"].endswith(line.rpartition(b"\r\n")[2] + b"\r\nC: d\r\n")


@every("line", SPECIAL_EVERYWHERE)
def test_special_lines_of_a_response(line):
    match = grammar.RESPONSE.fullmatch(R + b"A: b\r\n" + line + b"\r\nC: d\r\n\r\n")
    assert match["special"].endswith(line.rpartition(b"\r\n")[2] + b"\r\nC: d\r\n")


def test_captured_groups():
    lines = b"Server: x\r\nContent-Length: 5\r\nConnection: keep-alive\r\nDate: now\r\nHost: a\r\n"
    assert grammar.RESPONSE.fullmatch(R + lines + b"\r\n").groups() == (
        b"HTTP/1.1 200 OK", b"1", b"200",
        b"\nServer: x\r\nContent-Length: 5\r\n", b"5", None, b"Date: now\r\nHost: a\r\n", None, None,
    )  # fmt: skip
    lines = b"A: b\r\nHost: a:1\r\nConnection: Close\r\nC: d\r\nContent-Length: 5\r\nTE: x\r\nE: f\r\n"
    assert grammar.REQUEST.fullmatch(b"X http://a HTTP/1.0\r\n" + lines + b"\r\n").groups() == (
        b"X", b"http://a", b"0",
        b"\nA: b\r\nHost: a:1\r\n", None, b"a:1", None, b"Close",
        b"C: d\r\nContent-Length: 5\r\n", b"5", b"TE: x\r\nE: f\r\n",
    )  # fmt: skip
    lines = b"A: b\r\nContent-Length: 5\r\nC: d\r\nHost: a:1\r\nConnection: Close\r\nE: f\r\n"
    assert grammar.REQUEST.fullmatch(b"X / HTTP/1.1\r\n" + lines + b"\r\n").groups() == (
        b"X", b"/", b"1",
        b"\nA: b\r\nContent-Length: 5\r\nC: d\r\nHost: a:1\r\n", b"5", b"a:1", None, b"Close",
        b"E: f\r\n", None, None,
    )  # fmt: skip


SIZE = 64 * 1024
HOSTILE = {
    "names without colons": b"a" * SIZE,
    "short lines": b"a:\r\n" * (SIZE // 4),
    "special names almost": b"Connectio: x\r\n" * (SIZE // 14),
    "special names": b"Connection: keep-alive\r\n" * (SIZE // 24),
    "hosts": b"Host: a\r\n" * (SIZE // 9),
    "lengths": b"Content-Length: 1\r\n" * (SIZE // 19),
    "lengths and hosts": b"Content-Length: 1\r\nHost: a\r\n" * (SIZE // 28),
    "forwarded": b"x-forwarded-" * (SIZE // 12),
    "white space": b"a:" + b" \t" * (SIZE // 2),
    "codings": b"Transfer-Encoding: " + b"chunked," * (SIZE // 8),
    "percent": b"Host: " + b"%41" * (SIZE // 3),
    "colons": b":" * SIZE,
    "line ends": b"\r\n" * (SIZE // 2),
    "returns": b"\r" * SIZE,
    "commas": b"Connection: " + b"," * SIZE,
}


@every("end", [b"", b"\r\n\r\n", b"\0\r\n\r\n", b"\r\nTE: x\r\nTE\r\n\r\n"])
@every("name", HOSTILE)
def test_every_pattern_takes_linear_time(name, end):
    """A pattern that is quadratic would need minutes for this; all of them together need milliseconds."""
    began = time.process_time()
    for pattern in PATTERNS.values():
        for start in (b"", H, R, b"\n", b"0\r\n"):
            use = pattern.search if pattern.pattern.startswith(rb"\n") else pattern.fullmatch
            use(start + HOSTILE[name] + end)
    assert time.process_time() - began < 5

"""Compiled matchers: functions that decide whether a request meets the conditions besides host and path."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote_to_bytes

from pylb.http1.headers import ClientInfo
from pylb.http1.parser import Request
from pylb.routes.expression import compile_expression
from pylb.routes.match import Match
from pylb.routes.path import normalise
from pylb.routes.places import compile_host, compile_path, host_name

Test = Callable[[Request, ClientInfo], bool]
"""Whether a request meets a condition."""

SECURE = frozenset([b"https", b"wss"])
"""Schemes of requests that a client sent by TLS, to pylb or to a trusted proxy."""


def compile_tests(match: Match) -> tuple[Test, ...]:
    """Return the tests of a match, the cheapest first."""
    return tuple(test for _, test in named_tests(match))


def named_tests(match: Match) -> Iterator[tuple[str, Test]]:
    """Yield the tests of a match, each with the matcher as an operator writes it."""
    if match.methods:
        methods = frozenset(method.encode() for method in match.methods)
        yield f"method={','.join(match.methods)}", _method(methods)
    if match.scheme:
        yield f"scheme={match.scheme}", _scheme(secure=match.scheme == "https")
    if match.default_port:
        yield "the default port", names_default_port
    for name, value in match.headers:
        yield f"header:{name}={value}", _header(name.encode(), value.encode())
    for name, value in match.queries:
        yield f"query:{name}={value}", _query(name.encode(), value.encode())
    for subject, expression in match.patterns:
        yield f"the expression {expression!r} for the {subject}", _pattern(subject, expression)
    for excluded in match.excludes:
        yield "an exclusion (!)", _outside(excluded)


def is_secure(request: Request, client: ClientInfo) -> bool:
    """Whether the client sent the request by TLS, as far as trusted proxies report it."""
    return client.identify(request).scheme in SECURE


def names_default_port(request: Request, client: ClientInfo) -> bool:
    """Whether the host of the request has no port, or that of its scheme."""
    _, colon, port = request.host.rpartition(b":")
    if not colon or port.endswith(b"]"):
        return True
    return port in (b"", b"443" if is_secure(request, client) else b"80")


def _method(methods: frozenset[bytes]) -> Test:
    return lambda request, _client: request.method in methods


def _scheme(*, secure: bool) -> Test:
    return lambda request, client: is_secure(request, client) is secure


def _header(name: bytes, value: bytes) -> Test:
    line = re.compile(rb"\n(?i:%b):[\t ]*+%b[\t ]*+\r" % (re.escape(name), re.escape(value)))
    return lambda request, _client: line.search(request.lines) is not None


def _query(name: bytes, value: bytes) -> Test:
    def test(request: Request, _client: ClientInfo) -> bool:
        query = request.target.partition(b"?")[2]
        return any(
            (_decoded(written), _decoded(given)) == (name, value)
            for written, _, given in (pair.partition(b"=") for pair in query.split(b"&"))
        )

    return test


def _pattern(subject: str, text: str) -> Test:
    """Return a test whether an expression matches the host or the path of a request."""
    expression = compile_expression(text)
    if subject == "host":
        return lambda request, _client: expression.matches(host_name(request.host))

    def test(request: Request, _client: ClientInfo) -> bool:
        try:
            return expression.matches(normalise(request.target.partition(b"?")[0]))
        except ValueError:
            return False

    return test


def _outside(match: Match) -> Test:
    """Return a test whether a request does not meet a match."""
    literal = match.literal.encode()
    fits_host, fits_path, tests = compile_host(match.host), compile_path(match), compile_tests(match)

    def test(request: Request, client: ClientInfo) -> bool:
        try:
            path = normalise(request.target.partition(b"?")[0])
        except ValueError:
            return False
        inside = path.startswith(literal) and fits_path(path) and fits_host(host_name(request.host))
        return not (inside and all(test(request, client) for test in tests))

    return test


def _decoded(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))

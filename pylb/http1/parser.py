"""Parser of heads: it converts bytes to a `Request` or a `Response`, or raises an error (RFC 9112).

It is strict by design: it rejects any head that two parsers could interpret differently, and repairs none. A
second, slower pass over a rejected head finds the reason (`http1.bad_request`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from pylb.config.clients import Limits
from pylb.errors import ProxyError
from pylb.http1 import grammar
from pylb.http1.bad_request import bad_request, bad_response, not_a_request, not_a_response, shown
from pylb.http1.forwarded import Identity
from pylb.http1.limits import MAX_RESPONSE_HEAD
from pylb.http1.trace import Trace

END_OF_HEAD = b"\r\n\r\n"
END_LENGTH = len(END_OF_HEAD)

_SLASH = 0x2F
_SHORTEST_LINE = len(b"a:\r\n")
_NO_FIELDS: Mapping[bytes, bytes] = MappingProxyType({})
_NOTHING: frozenset[bytes] = frozenset()
_DEFAULT_LIMITS = Limits()
_NOT_FORWARDED = frozenset([b"CONNECT", b"TRACE"])
"""A gateway offers no tunnels, and TRACE would return the fields that pylb adds for backends (nginx: also
405)."""
_STATUSES = {b"%d" % status: status for status in range(200, 600) if status != 204}
"""The statuses of responses that may have a Content-Length, thus not 1xx and 204 (RFC 9110 §8.6)."""
_WITHOUT_REASON = len(b"HTTP/1.1 200")
"""The length of a status line without the space before an empty reason, which RFC 9112 §4 requires."""
_NOT_TUNNELLED = frozenset([b"h2c", b"h2"])
"""HTTP/2 in a tunnel would bypass all checks of requests, and RFC 9113 §3.1 has deprecated `h2c`."""


class Request:
    """A validated request head. The body is `chunked`, or has `length` bytes.

    The class holds the values that most requests have and that are rarely read. Those that are read for every
    request are set by `__init__`: reading a value of the class takes three times as long as storing and
    reading one of the instance (CPython 3.11).
    """

    fields: Mapping[bytes, bytes] = _NO_FIELDS
    """If not clean: the fields that a proxy interprets, by name in lower case; values of one name are
    joined."""
    expect = False
    """`Expect: 100-continue`: the client waits for a 100 before it sends the body."""
    upgrade = b""
    """The offered protocols, if `Connection` contains `upgrade`."""
    trailers = False
    """`TE: trailers`: the client understands trailers."""
    trailer_names = b""
    """`Trailer`: the fields that may follow the chunked body."""
    connection_options = _NOTHING
    """The members of `Connection` except `close` and `keep-alive`, in lower case: more hop-by-hop fields."""
    trace: Trace | None = None
    """The request's position in a trace; None without tracing."""
    identity: Identity | None = None
    """The client; None until `ClientInfo.identify` has determined it."""

    def __init__(self, method: bytes, target: bytes, version: int, lines: bytes) -> None:
        self.method = method
        self.target = target
        """Origin-form or `*`. The authority of an absolute-form target is moved to `host`."""
        self.version = version
        """Minor version of HTTP/1: 0 or 1."""
        self.lines = lines
        """Field lines as received, but possibly without a simple `Connection`. They begin with the line feed
        of the start line."""
        self.host = b""
        """`Host` or the target's authority; empty only for HTTP/1.0."""
        self.clean = True
        """Whether `lines` can be forwarded unchanged: they have no hop-by-hop, forged or unusual fields."""
        self.length = 0
        self.chunked = False
        self.close = False
        """Whether the client asks for the connection to be closed after the response."""
        self.authenticates_connection = False
        """Whether `Authorization` has a scheme that authenticates the whole connection (NTLM, Negotiate)."""
        self.cached_head = b""
        """The forwarded head between target and request id; empty if it has to be built."""


class Response:
    """A validated response head.

    The body is empty, is `chunked`, has `length` bytes, or ends with the connection.
    """

    upgrade = b""
    trailer_names = b""
    connection_options = _NOTHING
    cached_block = b""
    """The header block for an HTTP/2 client; empty if it has to be built."""

    def __init__(self, version: int, status: int, start: bytes, lines: bytes) -> None:
        self.version = version
        """The backend's minor version of HTTP/1; `start` always has version 1.1."""
        self.status = status
        self.condition = str(status) if status >= 500 else ""
        """The condition for a retry that the response may meet (`config.backends.CONDITIONS`)."""
        self.interim = status < 200 and status != 101
        """Whether another response follows (RFC 9110 section 15.2)."""
        self.start = start
        """The status line for the client, without its CRLF."""
        self.lines = lines
        self.clean = True
        self.length = -1
        """Content-Length, -1 for none. Responses to HEAD, and 1xx, 204 and 304 have no body at any length."""
        self.chunked = False
        self.close = False
        """Whether the backend closes the connection after the response."""
        self.cached_head = b""
        """The head for an HTTP/1.1 client whose connection stays open; empty if it has to be built."""
        self.dated = b"\nDate: " in lines or grammar.DATE.search(lines) is not None
        """Whether the response has a `Date`."""


def check_beginning(data: bytes, limits: Limits, scanned: int = 0) -> int:
    """Reject an incomplete head as soon as it cannot become a valid request.

    Args:
        data: the part of the head that has arrived, at least one byte, without empty lines before the head.
        limits: limits on heads.
        scanned: number of bytes that an earlier call has scanned, so that the total cost does not depend on
            the size of the pieces in which a head arrives.

    Returns:
        Number of bytes that need not be scanned again.

    Raises:
        ProxyError: 400, 414 or 431: TLS, bare line feeds, too many bytes.
    """
    new = data[scanned:]
    line_ends, cut = new.count(b"\r\n"), new.endswith(b"\r")
    if (
        grammar.BEGINNING.match(data) is None
        or new.count(b"\n") != line_ends
        or new.count(b"\r") - cut != line_ends
        or b"\0" in new
    ):
        raise not_a_request(data.removesuffix(b"\r"), limits)
    if len(data) > limits.max_head:
        target = data.partition(b"\r\n")[0].partition(b" ")[2]
        if len(target) > limits.max_target + len(b" HTTP/1.1"):
            raise bad_request(f"a target of more than {limits.max_target} bytes", 414)
        raise bad_request(f"a head of more than {limits.max_head} bytes", 431)
    return len(data) - cut


def check_response_beginning(data: bytes) -> None:
    """Reject an incomplete head as soon as it cannot become a valid response.

    Args:
        data: the part of the head that has arrived, at least one byte.

    Raises:
        ProxyError: 502: not HTTP, bare line feeds, too many bytes.
    """
    line_ends = data.count(b"\r\n")
    line, end, _ = data.partition(b"\r")
    if (
        (grammar.STATUS_LINE if end else grammar.STATUS_LINE_PARTIAL).fullmatch(line) is None
        or data.count(b"\n") != line_ends
        or data.count(b"\r") - data.endswith(b"\r") != line_ends
        or b"\0" in data
        or len(data) > MAX_RESPONSE_HEAD
    ):
        raise not_a_response(data.removesuffix(b"\r"))


def parse_request(head: bytes, limits: Limits) -> Request:
    """Validate and parse the head of a request.

    Args:
        head: the head including the empty line.
        limits: limits on heads. The caller checks the total size while it receives the head.

    Raises:
        ProxyError: 400, 405, 414, 417, 431, 501 or 505, with the reason as text.
    """
    if len(head) > limits.max_headers * _SHORTEST_LINE and head.count(b"\n") - 2 > limits.max_headers:
        raise bad_request(f"more than {limits.max_headers} fields in the head", 431)
    match = grammar.REQUEST.fullmatch(head)
    if match is None:
        raise not_a_request(head, limits)
    method, target, version, lines, early, host, framing, close, more, late, special = match.groups()
    if len(target) > limits.max_target:
        raise bad_request(f"a target of {len(target)} bytes, expected at most {limits.max_target}", 414)
    if special or host is None or target[0] != _SLASH or version == b"0" or method in _NOT_FORWARDED:
        lines = head[match.start("lines") : -2]
        return _examine_request(Request(method, target, int(version), lines))
    request = Request(method, target, 1, lines + more if more else lines)
    request.host = host
    if close:
        request.close = True
    framing = framing or early or late
    if framing == b"chunked":
        request.chunked = True
    elif framing:
        request.length = int(framing)
    return request


def parse_response(head: bytes, limits: Limits = _DEFAULT_LIMITS) -> Response:
    """Validate and parse the head of a response.

    Args:
        head: the head including the empty line, or the available part of a head that is known to be invalid.
        limits: limits on heads; only the number of fields is used.

    Raises:
        ProxyError: 502, with the reason as text for the log.
    """
    if len(head) > limits.max_headers * _SHORTEST_LINE and head.count(b"\n") - 2 > limits.max_headers:
        raise bad_response(f"more than {limits.max_headers} fields in the head")
    match = grammar.RESPONSE.fullmatch(head)
    if match is None or len(head) > MAX_RESPONSE_HEAD:
        raise not_a_response(head)
    start, version, status, lines, framing, close, more, late, special = match.groups()
    plain = _STATUSES.get(status)
    if special or version == b"0" or plain is None or len(start) == _WITHOUT_REASON:
        start = b"HTTP/1.1 %b %b" % (status, start[_WITHOUT_REASON + 1 :])
        lines = head[match.start("lines") : -2]
        return _examine_response(Response(int(version), int(status), start, lines))
    response = Response(1, plain, start, lines + more if more else lines)
    if close:
        response.close = True
    framing = framing or late
    if framing == b"chunked":
        response.chunked = True
    elif framing:
        response.length = int(framing)
    return response


def _examine_request(request: Request) -> Request:
    """Interpret the fields of a head one by one."""
    lookalike = grammar.LOOKALIKE.search(request.lines)
    if lookalike is not None:
        raise bad_request(f"a field {shown(lookalike[1])}, which backends could mistake for framing")
    request.clean = False
    request.fields = fields = _combined(grammar.REQUEST_FIELDS, request.lines)
    _frame_request(request)
    validate_target(request)
    modern = request.version == 1
    request.close, request.connection_options = _options(fields, persistent=modern)
    if request.chunked:
        request.trailer_names = b", ".join(_members(fields.get(b"trailer", b"")))
    if b"authorization" in fields:
        request.authenticates_connection = True
    expectation = fields.get(b"expect")
    if expectation:
        if expectation.lower() != b"100-continue":
            raise bad_request("an expectation other than 100-continue", 417)
        request.expect = modern and (request.chunked or request.length > 0)
    # HTTP/1.0 does not define these fields; an earlier hop has forwarded them (RFC 9110 §7.8, §10.1.1).
    if modern and b"te" in fields:
        request.trailers = b"trailers" in _members(fields[b"te"].lower())
    if modern and b"upgrade" in request.connection_options:
        protocols = _members(fields.get(b"upgrade", b""))
        request.upgrade = b", ".join(p for p in protocols if p.lower() not in _NOT_TUNNELLED)
    return request


def _examine_response(response: Response) -> Response:
    """Interpret the fields of a head one by one."""
    response.clean = False
    fields = _combined(grammar.RESPONSE_FIELDS, response.lines)
    response.length = _length(fields, bad_response)
    coding = fields.get(b"transfer-encoding")
    if coding is not None:
        if response.length >= 0:
            raise bad_response("both Content-Length and Transfer-Encoding")
        if coding.lower() != b"chunked" or response.version == 0:
            raise bad_response(
                f"Transfer-Encoding {shown(coding)} in HTTP/1.{response.version}, expected chunked in 1.1"
            )
        response.chunked = True
        response.trailer_names = b", ".join(_members(fields.get(b"trailer", b"")))
    response.close, response.connection_options = _options(fields, persistent=response.version == 1)
    response.upgrade = b", ".join(_members(fields.get(b"upgrade", b"")))
    if response.status == 101 and not response.upgrade:
        raise bad_response("status 101 without the name of a protocol in Upgrade")
    return response


def _combined(pattern: re.Pattern[bytes], lines: bytes) -> dict[bytes, bytes]:
    """Return values by name. Several values of one name are joined by commas, as RFC 9110 §5.3 allows.

    A repeated field that must be unique is rejected for its joined value: `5, 5` is not a length.
    """
    fields: dict[bytes, bytes] = {}
    for written, padded in pattern.findall(lines):
        name, value = written.lower(), padded.rstrip(b"\t ")
        fields[name] = b"%b, %b" % (fields[name], value) if name in fields else value
    return fields


def _members(value: bytes) -> list[bytes]:
    """Return the non-empty members of a comma-separated list."""
    return [member for item in value.split(b",") if (member := item.strip(b"\t "))]


def _options(fields: Mapping[bytes, bytes], *, persistent: bool) -> tuple[bool, frozenset[bytes]]:
    """Interpret `Connection`. Returns whether the connection closes, and the other members.

    `close` takes precedence over `keep-alive`.
    """
    if b"connection" not in fields:
        return not persistent, _NOTHING
    options = frozenset(_members(fields[b"connection"].lower()))
    close = b"close" in options or not (persistent or b"keep-alive" in options)
    return close, options - {b"close", b"keep-alive"}


def _length(fields: Mapping[bytes, bytes], error: Callable[[str], ProxyError]) -> int:
    """Return the Content-Length, or -1 for none. Lists, signs and spaces are ambiguous (RFC 9112 §6.3)."""
    value = fields.get(b"content-length")
    if value is None:
        return -1
    if grammar.LENGTH.fullmatch(value) is None:
        raise error(f"Content-Length {shown(value)}, expected one number without sign or leading zero")
    return int(value)


def _frame_request(request: Request) -> None:
    """Determine the framing of the body (RFC 9112 §6).

    Accepted are a length, or in HTTP/1.1 `chunked` as the only coding and without a length.
    """
    length = _length(request.fields, bad_request)
    coding = request.fields.get(b"transfer-encoding")
    if coding is None:
        request.length = max(length, 0)
        return
    if length >= 0:
        raise bad_request("both Content-Length and Transfer-Encoding")
    if request.version == 0:
        raise bad_request("Transfer-Encoding in HTTP/1.0")
    if coding.lower() != b"chunked":
        members = _members(coding.lower())
        if members[1:] and members[-1] == b"chunked" and members.count(b"chunked") == 1:
            raise bad_request(f"Transfer-Encoding {shown(coding)}, only chunked is known", 501)
        raise bad_request(f"Transfer-Encoding {shown(coding)}, expected it to end in one chunked")
    request.chunked = True


def validate_target(request: Request) -> None:
    """Validate method, target and `Host`, and set `host` and `target` of the request (RFC 9112 §3.2).

    The authority of an absolute-form target takes precedence over `Host`, but HTTP/1.1 requires exactly one
    valid `Host` in any case (§3.2.2).
    """
    host, target = request.fields.get(b"host"), request.target
    if host is None and request.version == 1:
        raise bad_request("no Host field, which HTTP/1.1 requires")
    if host is not None and grammar.HOST.fullmatch(host) is None:
        raise bad_request(f"Host {shown(host)}, expected one name or address, and a port at most")
    if request.method in _NOT_FORWARDED:
        raise bad_request(f"method {request.method.decode()}, which a gateway does not serve", 405)
    request.host = host or b""
    if target[0] == _SLASH:
        return
    absolute = grammar.ABSOLUTE.fullmatch(target)
    if absolute is not None:
        authority, path, query = absolute.groups()
        if grammar.HOST.fullmatch(authority) is None:
            raise bad_request(f"a target with authority {shown(authority)}, expected a name or address")
        request.host = authority
        star = request.method == b"OPTIONS" and not path and not query
        request.target = b"*" if star else (path or b"/") + query
    elif target != b"*" or request.method != b"OPTIONS":
        raise bad_request(f"target {shown(target)}, expected a path that begins with /")

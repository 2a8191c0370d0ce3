"""Heads: bytes in, a `Request` or a `Response` out, or the reason why not (RFC 9112).

Strict by design: whatever two parsers could read in two ways is refused, never repaired. A head that is refused
is looked at a second time, slowly, to say what is wrong with it (`http1.refusal`).
"""

from __future__ import annotations

import re
from functools import lru_cache

from pylb.errors import ProxyError
from pylb.http1 import grammar
from pylb.http1.limits import MAX_RESPONSE_HEAD, Limits
from pylb.http1.refusal import bad_response, not_a_request, not_a_response, refused

END_OF_HEAD = b"\r\n\r\n"

_DIGITS = re.compile(rb"[0-9]{1,18}")
_PASSED_ON = frozenset([b"host", b"content-length", b"expect"])
"""Fields that mean something to pylb and still go to the backend as they stand."""


class Request:
    """A request's head, checked. Its body is `chunked`, or else `length` bytes."""

    __slots__ = (
        "chunked",
        "clean",
        "close",
        "expect",
        "fields",
        "host",
        "length",
        "lines",
        "method",
        "nominated",
        "target",
        "trailers",
        "upgrade",
        "version",
    )

    def __init__(self, method: bytes, target: bytes, version: int, lines: bytes) -> None:
        self.method = method
        self.target = target
        """Origin-form or `*`; of an absolute-form target the authority has become `host`."""
        self.version = version
        """Minor version of HTTP/1: 0 or 1."""
        self.lines = lines
        """All field lines as received; each begins with the line feed that ended the one before."""
        self.fields: list[tuple[bytes, bytes]] = grammar.REQUEST_FIELDS.findall(lines)
        """Those that mean something to a proxy, as (name, value) as written."""
        self.clean = True
        """Whether `lines` can go to the backend whole: nothing hop-by-hop, nothing forged."""
        self.host = b""
        """`Host` or the target's authority; empty only for HTTP/1.0."""
        self.length = 0
        self.chunked = False
        self.close = version == 0
        """Whether the client wants the connection closed after the response."""
        self.expect = False
        """`Expect: 100-continue`: the client waits for a 100 before it sends the body."""
        self.upgrade = b""
        """The protocols offered, if `Connection` says that `Upgrade` is meant."""
        self.trailers = False
        """`TE: trailers`: the client understands trailers."""
        self.nominated: tuple[bytes, ...] = ()
        """Names that `Connection` declares hop-by-hop, beyond those that always are; lower case."""


class Response:
    """A response's head, checked. Its body: none, `chunked`, `length` bytes, or until the connection closes."""

    __slots__ = (
        "chunked",
        "clean",
        "close",
        "length",
        "lines",
        "nominated",
        "reason",
        "status",
        "upgrade",
        "version",
    )

    def __init__(self, version: int, status: int, reason: bytes, lines: bytes) -> None:
        self.version = version
        self.status = status
        self.reason = reason
        self.lines = lines
        self.clean = True
        self.length = -1
        """Bytes of body; -1 is "not said"."""
        self.chunked = False
        self.close = version == 0
        """Whether the backend closes the connection after it."""
        self.upgrade = b""
        self.nominated: tuple[bytes, ...] = ()


def parse_request(head: bytes, limits: Limits) -> Request:
    """Check and understand a request's head.

    Args:
        head: everything up to and including the empty line.
        limits: what is accepted. The size of the whole is for the caller to check while it reads.

    Raises:
        ProxyError: 400, 405, 414, 417, 431, 501 or 505, with the reason in words.
    """
    match = grammar.REQUEST.fullmatch(head)
    if match is None:
        raise not_a_request(head, limits)
    method, target, version, lines = match.groups()
    if len(target) > limits.target:
        raise refused(f"a target of {len(target)} bytes, expected at most {limits.target}", 414)
    count = lines.count(b"\n") - 1
    if count > limits.fields:
        raise refused(f"{count} fields in the head, expected at most {limits.fields}", 431)
    request = Request(method, target, 1 if version == b"1" else 0, lines)
    host = length = coding = upgrade = None
    for name, value in request.fields:
        key = name.lower()
        if key not in _PASSED_ON:
            request.clean = False
        if key == b"host":
            if host is not None:
                raise refused("two Host fields")
            host = value.rstrip(b"\t ")
        elif key == b"connection":
            _connection(request, value)
        elif key == b"content-length":
            if length is not None:
                raise refused("two Content-Length fields")
            length = _length(value, refused)
        elif key == b"transfer-encoding":
            if coding is not None:
                raise refused("two Transfer-Encoding fields")
            coding = value.strip(b"\t ").lower()
        elif key == b"expect":
            if value.rstrip(b"\t ").lower() != b"100-continue":
                raise refused("an expectation other than 100-continue", 417)
            request.expect = request.version == 1
        elif key == b"te":
            request.trailers = b"trailers" in value.lower()
        elif key == b"upgrade":
            upgrade = value.rstrip(b"\t ") if upgrade is None else upgrade + b", " + value.rstrip(b"\t ")
    if coding is not None:
        _request_coding(request, coding, length)
    elif length is not None:
        request.length = length
    if upgrade and b"upgrade" in request.nominated and request.version == 1:
        request.upgrade = upgrade
    if host is not None and target[0] == 0x2F and _is_host(host):  # "/": the usual case
        request.host = host
        return request
    return _authority(request, host)


def parse_response(head: bytes) -> Response:
    """Check and understand a response's head, as strictly as a request's where it matters.

    Raises:
        ProxyError: 502, with the reason in words for the operator.
    """
    match = grammar.RESPONSE.fullmatch(head)
    if match is None or len(head) > MAX_RESPONSE_HEAD:
        raise not_a_response(head)
    version, status, reason, lines = match.groups()
    response = Response(1 if version == b"1" else 0, int(status), reason or b"", lines)
    coding = None
    for name, value in grammar.RESPONSE_FIELDS.findall(lines):
        key = name.lower()
        if key == b"content-length":
            if response.length >= 0:
                raise bad_response("two Content-Length fields")
            response.length = _length(value, bad_response)
            continue
        response.clean = False
        if key == b"connection":
            _connection(response, value)
        elif key == b"transfer-encoding":
            if coding is not None:
                raise bad_response("two Transfer-Encoding fields")
            coding = value.strip(b"\t ").lower()
        elif key == b"upgrade":
            response.upgrade = value.rstrip(b"\t ")
    if coding is not None:
        if coding != b"chunked" or response.version == 0:
            raise bad_response(
                f"Transfer-Encoding {coding!r} in HTTP/1.{response.version}, expected chunked in 1.1"
            )
        if response.length >= 0:
            raise bad_response("both Content-Length and Transfer-Encoding")
        response.chunked = True
    return response


def _connection(message: Request | Response, value: bytes) -> None:
    """Apply one `Connection` field: `close`, `keep-alive`, and names that end at this hop."""
    value = value.strip(b"\t ").lower()
    if value == b"keep-alive" and not message.nominated:
        message.close = False
        return
    options = [option.strip(b"\t ") for option in value.split(b",")]
    if b"close" in options:
        message.close = True
        # `close` wins over `keep-alive`, in whatever order and in however many fields they come.
        message.nominated += (b"close",)
    elif b"keep-alive" in options and b"close" not in message.nominated:
        message.close = False
    message.nominated += tuple(o for o in options if o not in {b"", b"close", b"keep-alive"})


def _length(value: bytes, error: type[ProxyError] | object) -> int:
    """A Content-Length: digits alone. A list, a sign or white space inside is ambiguous (RFC 9112 §6.3)."""
    value = value.rstrip(b"\t ")
    if _DIGITS.fullmatch(value) is None:
        raise error(f"Content-Length {value[:40]!r}, expected digits")  # type: ignore[operator]
    return int(value)


def _request_coding(request: Request, coding: bytes, length: int | None) -> None:
    """Transfer codings of a request: `chunked` alone, in HTTP/1.1, without a length (RFC 9112 §6.1, §6.3)."""
    if length is not None:
        raise refused("both Content-Length and Transfer-Encoding")
    if request.version == 0:
        raise refused("Transfer-Encoding in HTTP/1.0")
    if coding != b"chunked":
        final = coding.rsplit(b",", 1)[-1].strip(b"\t ")
        if final != b"chunked" or coding.count(b"chunked") > 1:
            raise refused(f"Transfer-Encoding {coding[:40]!r}, expected it to end in one chunked")
        raise refused(f"Transfer-Encoding {coding[:40]!r}, only chunked is known", 501)
    request.chunked = True


@lru_cache(maxsize=1024)
def _is_host(host: bytes) -> bool:
    return grammar.HOST.fullmatch(host) is not None


def _authority(request: Request, host: bytes | None) -> Request:
    """The less usual targets, and requests without a (valid) Host (RFC 9112 §3.2)."""
    target = request.target
    if host is None and request.version == 1:
        raise refused("no Host field, which HTTP/1.1 requires")
    if host and not _is_host(host):
        raise refused(f"Host {host[:60]!r}, expected a name or address, and a port at most")
    request.host = host or b""
    if request.method == b"CONNECT":
        raise refused("CONNECT: this is a gateway, not a forward proxy", 405)
    absolute = grammar.ABSOLUTE.fullmatch(target)
    if absolute:
        authority, path = absolute.groups()
        if not _is_host(authority):
            raise refused(f"a target with authority {authority[:60]!r}, expected a name or address")
        if host is not None and host.lower() != authority.lower():
            raise refused(f"Host {host[:60]!r} beside a target for {authority[:60]!r}, expected the same")
        request.host = authority
        request.target = path if path and path[0] == 0x2F else b"/" + (path or b"")
    elif target[0] != 0x2F and not (target == b"*" and request.method == b"OPTIONS"):
        raise refused(f"target {target[:60]!r}, expected a path that begins with /")
    return request

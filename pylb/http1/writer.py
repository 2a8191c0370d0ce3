"""Heads on their way out: one message, unambiguous, however it came in."""

from __future__ import annotations

from http import HTTPStatus

from pylb.http1 import grammar
from pylb.http1.headers import Origin
from pylb.http1.parser import Request, Response

_HOP_BY_HOP = grammar.without(*grammar.HOP_BY_HOP)
_HOP_BY_HOP_AND_LENGTH = grammar.without(*grammar.HOP_BY_HOP, rb"content-length")
_NOT_FOR_CONNECTION_TO_NAME = frozenset(
    [
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"close",
        b"keep-alive",
        b"upgrade",
        b"te",
        b"connection",
    ]
)
"""A client must not make pylb drop what routing and framing rest on (RFC 9110 §7.6.1 warns of it)."""

_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}
_STATUS_LINES = {code: b"HTTP/1.1 %d %b\r" % (code, reason) for code, reason in _REASONS.items()}


def request_head(request: Request, origin: Origin, request_id: bytes, authority: bytes) -> bytes:
    """The head that goes to the backend: always HTTP/1.1, persistent, hop-by-hop fields replaced by ours.

    Args:
        request: what the client sent.
        origin: where it came from.
        request_id: the value of X-Request-ID.
        authority: the backend's own `host:port`, for the HTTP/1.0 client that names no host.
    """
    lines = request.lines if request.clean else origin.strip.sub(b"", request.lines)
    extra = b"" if request.clean else _request_extra(request)
    if request.nominated:
        lines = _without_nominated(lines, request.nominated)
    if not request.host:
        lines += b"Host: %b\r\n" % authority if b"\nhost:" not in lines.lower() else b""
    return b"".join((
        request.method, b" ", request.target, b" HTTP/1.1\r", lines, extra,
        origin.lines(request.host, request.fields), b"X-Request-ID: ", request_id, b"\r\n\r\n",
    ))  # fmt: skip


def response_head(response: Response, *, chunked: bool, close: bool, version: int) -> bytes:
    """The head that goes to the client.

    Args:
        response: what the backend sent.
        chunked: whether the body is sent to the client in chunks.
        close: whether the connection closes after it.
        version: minor version of HTTP that the client speaks; 1.0 must be told of persistence.
    """
    lines = response.lines
    if not response.clean:
        if response.status < 200 or response.status == 204 or response.chunked:
            lines = _HOP_BY_HOP_AND_LENGTH.sub(b"", lines)
        else:
            lines = _HOP_BY_HOP.sub(b"", lines)
        if response.nominated:
            lines = _without_nominated(lines, response.nominated)
    start = (
        _STATUS_LINES.get(response.status)
        if response.reason == _REASONS.get(response.status)
        else b"HTTP/1.1 %d %b\r" % (response.status, response.reason)
    )
    if chunked:
        lines += b"Transfer-Encoding: chunked\r\n"
    if response.status == 101:
        lines += b"Connection: Upgrade\r\nUpgrade: %b\r\n" % response.upgrade
    elif close:
        lines += b"Connection: close\r\n"
    elif version == 0:
        lines += b"Connection: keep-alive\r\n"
    return b"%b%b\r\n" % (start, lines)


def refusal(
    status: int, detail: str, *, request_id: bytes = b"", retry_after: int = 0, body: bool = True
) -> bytes:
    """A whole response of pylb's own: small, plain, without internals.

    Args:
        status: the status code.
        detail: one sentence for the client.
        request_id: to find the request in the log.
        retry_after: seconds, where trying again makes sense.
        body: false for an answer to HEAD.
    """
    reason = _REASONS.get(status, b"Error")
    text = b"%d %b\n%b\n" % (status, reason, detail.encode()) if detail else b"%d %b\n" % (status, reason)
    return b"".join((
        b"HTTP/1.1 %d %b\r\n" % (status, reason),
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nCache-Control: no-store\r\n" % len(text),
        b"X-Request-ID: %b\r\n" % request_id if request_id else b"",
        b"Retry-After: %d\r\n" % retry_after if retry_after else b"",
        b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n" if status == 405 else b"",
        b"Connection: close\r\n\r\n",
        text if body else b"",
    ))  # fmt: skip


def _request_extra(request: Request) -> bytes:
    extra = b"Transfer-Encoding: chunked\r\n" if request.chunked else b""
    options = []
    if request.upgrade:
        options.append(b"Upgrade")
        extra += b"Upgrade: %b\r\n" % request.upgrade
    if request.trailers:
        options.append(b"TE")
        extra += b"TE: trailers\r\n"
    return extra + b"Connection: %b\r\n" % b", ".join(options) if options else extra


def _without_nominated(lines: bytes, nominated: tuple[bytes, ...]) -> bytes:
    """Remove the fields that `Connection` named; lines keep their leading line feed and trailing CRLF."""
    names = frozenset(nominated) - _NOT_FOR_CONNECTION_TO_NAME
    if not names:
        return lines
    kept = [line for line in lines[1:].split(b"\r\n") if line.split(b":", 1)[0].lower() not in names]
    return b"\n" + b"\r\n".join(kept)

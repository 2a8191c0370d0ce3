"""Writers of heads: the message sent is unambiguous, however the received one was written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from http import HTTPStatus

from pylb.http1 import grammar
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import END_OF_HEAD, Request, Response

_REWRITTEN = grammar.without(*grammar.HOP_BY_HOP, rb"content-length")
_ABOUT_CLIENT = re.compile(b"|".join(grammar.FORWARDED))
"""Fields that a client cannot remove by naming them in `Connection`."""

_ACCEPT = grammar.fields(rb"accept")

_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus} | {
    413: b"Content Too Large",  # The phrases of RFC 9110; Python has them since 3.13.
    414: b"URI Too Long",
}
_WITH_UPGRADE = frozenset([101, 426])
"""Statuses of responses that must have `Upgrade` (RFC 9110 §7.8, §15.5.22)."""


def request_head(request: Request, client: ClientInfo, request_id: bytes, authority: bytes) -> bytes:
    """Return the head for the backend: always HTTP/1.1, persistent, with pylb's own hop-by-hop fields.

    Args:
        request: the client's request.
        client: the client of the connection.
        request_id: the value of X-Request-ID.
        authority: the backend's `host:port`, used as the host if an HTTP/1.0 client sends none.
    """
    if forwarded := request.cached_head:
        return b"".join((request.method, b" ", request.target, forwarded, request_id, END_OF_HEAD))
    return b"".join((
        request.method, b" ", request.target, b" HTTP/1.1\r",
        request.lines if request.clean else _request_lines(request, client, authority),
        client.lines(request), client.via[request.version], request_id, END_OF_HEAD,
    ))  # fmt: skip


def forwarded_headers(request: Request, client: ClientInfo, authority: bytes) -> bytes:
    """Return the part of a head between the target and the request id; see `request_head`."""
    head = request_head(request, client, b"", authority)
    return head[len(request.method) + 1 + len(request.target) : -len(END_OF_HEAD)]


class HeadChanges:
    """Changes to the head that a backend receives.

    Args:
        target: path and query.
        edit: returns changed lines, given those of `forwarded_headers` and the backend's own `host:port`.
    """

    __slots__ = ("edit", "target")

    def __init__(self, target: bytes, edit: Callable[[bytes, bytes], bytes]) -> None:
        self.target = target
        self.edit = edit

    def head(self, request: Request, client: ClientInfo, request_id: bytes, authority: bytes) -> bytes:
        """Return the head for the backend as `request_head` does, with changes."""
        lines = self.edit(request.cached_head or forwarded_headers(request, client, authority), authority)
        return b"".join((request.method, b" ", self.target, lines, request_id, END_OF_HEAD))


def response_head(
    response: Response, *, chunked: bool, close: bool, version: int, date: bytes = b""
) -> bytes:
    """Return the head for the client.

    Args:
        response: the backend's response.
        chunked: whether the body is sent to the client in chunks.
        close: whether the connection closes after the response.
        version: the client's minor version of HTTP/1; a persistent 1.0 connection needs `keep-alive`.
        date: the current time as an HTTP date, for a response that has none; empty to add none.
    """
    if response.clean and chunked >= response.chunked:
        lines = response.lines
        if chunked and not response.chunked:
            lines += b"Transfer-Encoding: chunked\r\n"
    else:
        lines = _response_lines(response, chunked=chunked)
    if close:
        lines += b"Connection: close\r\n"
    elif version == 0:
        lines += b"Connection: keep-alive\r\n"
    if date and not response.dated:
        lines += b"Date: %b\r\n" % date
    return b"%b\r%b\r\n" % (response.start, lines)


def error_response(
    status: int,
    detail: str,
    *,
    request_id: bytes = b"",
    retry_after: int = 0,
    body: bool = True,
    date: bytes = b"",
    as_json: bool = False,
) -> bytes:
    """Return a complete error response, without internal details.

    Args:
        status: the status code.
        detail: one sentence for the client.
        request_id: the request's id, with which it can be found in the log.
        retry_after: seconds after which the client may retry; 0 to omit the field.
        body: false for a response to HEAD.
        date: the current time as an HTTP date.
        as_json: whether the client prefers JSON to text.
    """
    reason = _REASONS.get(status, b"Error")
    kind = b"text/plain; charset=utf-8"
    text = b"%d %b\n%b\n" % (status, reason, detail.encode()) if detail else b"%d %b\n" % (status, reason)
    if as_json:
        kind = b"application/json"
        values = {"status": status, "error": reason.decode(), "detail": detail, "id": request_id.decode()}
        text = json.dumps({name: value for name, value in values.items() if value}).encode() + b"\n"
    return b"".join((
        b"HTTP/1.1 %d %b\r\n" % (status, reason),
        b"Date: %b\r\n" % date if date else b"",
        b"Content-Type: %b\r\nContent-Length: %d\r\n" % (kind, len(text)),
        b"Cache-Control: no-store\r\n",
        b"X-Request-ID: %b\r\n" % request_id if request_id else b"",
        b"Retry-After: %d\r\n" % retry_after if retry_after else b"",
        b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n" if status == 405 else b"",
        b"Connection: close\r\n\r\n",
        text if body else b"",
    ))  # fmt: skip


def short_response(
    status: int,
    fields: bytes,
    text: bytes = b"",
    *,
    body: bool = True,
    close: bool,
    version: int,
    date: bytes,
) -> bytes:
    """Return a response of pylb.

    Args:
        status: the status code.
        fields: field lines, each with its CRLF.
        text: the body; empty for none.
        body: false omits the body, as in a response to HEAD.
        close: whether the connection closes after it.
        version: the minor version of HTTP/1 in the request; 0 requires a field that keeps the connection.
        date: the current time, as an HTTP date.
    """
    return b"".join((
        b"HTTP/1.1 %d %b\r\n" % (status, _REASONS.get(status, b"Unassigned")),
        fields,
        b"Date: %b\r\n" % date,
        b"Content-Length: %d\r\n" % len(text),
        b"Connection: close\r\n" if close else b"" if version else b"Connection: keep-alive\r\n",
        b"\r\n",
        text if body else b"",
    ))  # fmt: skip


def tls_url(request: Request, port: int) -> bytes:
    """Return the URL of a request on another port, with TLS."""
    host = re.sub(rb":[0-9]*\Z", b"", request.host)
    target = b"" if request.target == b"*" else request.target
    authority = host if port == 443 else b"%b:%d" % (host, port)
    return b"https://%b%b" % (authority, target)


def add_fields(message: bytes, fields: bytes) -> bytes:
    """Return a message with more field lines, each with its CRLF, at the end of its head."""
    head, _, body = message.partition(END_OF_HEAD)
    return b"%b\r\n%b\r\n%b" % (head, fields, body)


def hsts_fields(seconds: int) -> Callable[[Response | None], bytes]:
    """Return a function that returns the field Strict-Transport-Security (RFC 6797) for a response.

    It returns no field for a response of pylb, or if the backend's response has one.

    Args:
        seconds: the value of `max-age`.
    """
    line = b"Strict-Transport-Security: max-age=%d\r\n" % seconds

    def fields(response: Response | None) -> bytes:
        if response is None or b"\nstrict-transport-security:" in response.lines.lower():
            return b""
        return line

    return fields


def prefers_json(lines: bytes) -> bool:
    """Return whether Accept contains JSON but no text type, as programs send it and browsers do not."""
    accept = b",".join(value for _, value in _ACCEPT.findall(lines)).lower()
    return b"json" in accept and b"text/" not in accept


def _request_lines(request: Request, client: ClientInfo, authority: bytes) -> bytes:
    """Return the client's fields, with all fields for routing and framing rewritten."""
    options = []
    lines = [
        b"\nHost: %b\r" % (request.host or authority),
        _without_connection_options(client.strip.sub(b"", request.lines), request.connection_options),
    ]
    if request.chunked:
        lines.append(b"Transfer-Encoding: chunked\r\n")
    elif b"content-length" in request.fields:
        lines.append(b"Content-Length: %d\r\n" % request.length)
    if request.trailer_names:
        lines.append(b"Trailer: %b\r\n" % request.trailer_names)
    if request.expect:
        lines.append(b"Expect: 100-continue\r\n")
    if request.trailers:
        lines.append(b"TE: trailers\r\n")
        options.append(b"TE")
    if request.upgrade:
        lines.append(b"Upgrade: %b\r\n" % request.upgrade)
        options.append(b"Upgrade")
    if options:
        lines.append(b"Connection: %b\r\n" % b", ".join(options))
    return b"".join(lines)


def _response_lines(response: Response, *, chunked: bool) -> bytes:
    """Return the backend's fields, with all fields for framing rewritten."""
    lines = _without_connection_options(_REWRITTEN.sub(b"", response.lines), response.connection_options)
    if response.length >= 0 and response.status >= 200 and response.status != 204:  # RFC 9110 §8.6
        lines += b"Content-Length: %d\r\n" % response.length
    if chunked:
        lines += b"Transfer-Encoding: chunked\r\n"
        if response.trailer_names:
            lines += b"Trailer: %b\r\n" % response.trailer_names
    if response.upgrade and response.status in _WITH_UPGRADE:
        lines += b"Connection: Upgrade\r\nUpgrade: %b\r\n" % response.upgrade
    return lines


def _without_connection_options(lines: bytes, connection_options: frozenset[bytes]) -> bytes:
    """Remove the fields that `Connection` names. `lines` no longer has fields for routing and framing."""
    names = {name for name in connection_options if _ABOUT_CLIENT.fullmatch(name) is None}
    if not names:
        return lines
    kept = [line for line in lines[1:].split(b"\r\n") if line.partition(b":")[0].lower() not in names]
    return b"\n" + b"\r\n".join(kept)


def with_lines(response: Response, lines: bytes) -> Response:
    """Return a copy of a response with other field lines. They must not change its framing.

    Args:
        response: the response, which is shared and stays as it is.
        lines: the lines in the form of `Response.lines`.
    """
    edited = Response(response.version, response.status, response.start, lines)
    for name, value in vars(response).items():
        if name not in {"version", "status", "start", "lines", "cached_block"}:
            setattr(edited, name, value)
    if response.cached_head:
        edited.cached_head = response_head(edited, chunked=False, close=False, version=1)
    return edited

"""Heads on their way out: one message, unambiguous, however it came in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from pylb.http1 import grammar
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import Request, Response

_REWRITTEN = grammar.without(*grammar.HOP_BY_HOP, rb"content-length")
_ABOUT_CLIENT = re.compile(b"|".join(grammar.FORWARDED))
"""A client must not make pylb drop, by naming it in `Connection`, what tells where it is."""

_ACCEPT = grammar.fields(rb"accept")

_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus} | {
    413: b"Content Too Large",  # These names are RFC 9110's; Python has them since 3.13.
    414: b"URI Too Long",
    416: b"Range Not Satisfiable",
    422: b"Unprocessable Content",
}
_UPGRADE_SAID = frozenset([101, 426])
"""Responses that must say which protocols they mean (RFC 9110 §7.8, §15.5.22)."""


def request_head(request: Request, origin: ClientInfo, request_id: bytes, authority: bytes) -> bytes:
    """The head that goes to the backend: always HTTP/1.1, persistent, hop-by-hop fields replaced by ours.

    Args:
        request: what the client sent.
        origin: where it came from.
        request_id: the value of X-Request-ID.
        authority: the backend's own `host:port`, for the HTTP/1.0 client that names no host.
    """
    told = request.cached_head or forwarded_headers(request, origin, authority)
    return b"".join((request.method, b" ", request.target, told, request_id, b"\r\n\r\n"))


def forwarded_headers(request: Request, origin: ClientInfo, authority: bytes) -> bytes:
    """What stands between a request's target and its id, see `request_head`."""
    return b"".join((
        b" HTTP/1.1\r", request.lines if request.clean else _request_lines(request, origin, authority),
        origin.lines(request), origin.via[request.version],
    ))  # fmt: skip


def response_head(
    response: Response, *, chunked: bool, close: bool, version: int, date: bytes = b""
) -> bytes:
    """The head that goes to the client.

    Args:
        response: what the backend sent.
        chunked: whether the body is sent to the client in chunks.
        close: whether the connection closes after it.
        version: minor version of HTTP that the client speaks; 1.0 must be told of persistence.
        date: the time now, as an HTTP date, for a response that has none; empty if it shall stay without.
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
    """A whole response of pylb's own: small, plain, without internals.

    Args:
        status: the status code.
        detail: one sentence for the client.
        request_id: to find the request in the log.
        retry_after: seconds, where trying again makes sense.
        body: false for an answer to HEAD.
        date: the time now, as an HTTP date.
        as_json: whether the client prefers that to text.
    """
    reason = _REASONS.get(status, b"Error")
    kind = b"text/plain; charset=utf-8"
    text = b"%d %b\n%b\n" % (status, reason, detail.encode()) if detail else b"%d %b\n" % (status, reason)
    if as_json:
        kind = b"application/json"
        said = {"status": status, "error": reason.decode(), "detail": detail, "id": request_id.decode()}
        text = json.dumps({name: value for name, value in said.items() if value}).encode() + b"\n"
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


def redirection(request: Request, port: int, *, close: bool, date: bytes) -> bytes:
    """A whole response that sends a client to the same URL by TLS.

    Args:
        request: what it asked for.
        port: where TLS is spoken.
        close: whether the connection closes after it.
        date: the time now, as an HTTP date.
    """
    host = re.sub(rb":[0-9]*\Z", b"", request.host)
    target = b"" if request.target == b"*" else request.target
    authority = host if port == 443 else b"%b:%d" % (host, port)
    return b"".join((
        b"HTTP/1.1 308 Permanent Redirect\r\n",
        b"Location: https://%b%b\r\n" % (authority, target),
        b"Date: %b\r\n" % date,
        b"Content-Length: 0\r\n",
        b"Connection: close\r\n" if close else b"" if request.version else b"Connection: keep-alive\r\n",
        b"\r\n",
    ))  # fmt: skip


def with_hsts(seconds: int) -> Callable[..., bytes]:
    """`response_head`, but each tells browsers to come by TLS only (RFC 6797), for so many seconds."""
    line = b"Strict-Transport-Security: max-age=%d\r\n\r\n" % seconds

    def head(response: Response, **how: Any) -> bytes:
        plain = response_head(response, **how)
        return plain if b"\nstrict-transport-security:" in plain.lower() else plain[:-2] + line

    return head


def prefers_json(lines: bytes) -> bool:
    """Whether a request's Accept names JSON, and no text: what programs ask for, and browsers do not."""
    accept = b",".join(value for _, value in _ACCEPT.findall(lines)).lower()
    return b"json" in accept and b"text/" not in accept


def _request_lines(request: Request, origin: ClientInfo, authority: bytes) -> bytes:
    """The client's fields with everything in them written anew that matters to routing and framing."""
    options = []
    lines = [
        b"\nHost: %b\r" % (request.host or authority),
        _without_nominated(origin.strip.sub(b"", request.lines), request.connection_options),
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
    """The backend's fields with everything in them written anew that matters to framing."""
    lines = _without_nominated(_REWRITTEN.sub(b"", response.lines), response.connection_options)
    if response.length >= 0 and response.status >= 200 and response.status != 204:  # RFC 9110 §8.6
        lines += b"Content-Length: %d\r\n" % response.length
    if chunked:
        lines += b"Transfer-Encoding: chunked\r\n"
        if response.trailer_names:
            lines += b"Trailer: %b\r\n" % response.trailer_names
    if response.upgrade and response.status in _UPGRADE_SAID:
        lines += b"Connection: Upgrade\r\nUpgrade: %b\r\n" % response.upgrade
    return lines


def _without_nominated(lines: bytes, connection_options: frozenset[bytes]) -> bytes:
    """Remove what `Connection` named. Fields for routing and framing are no longer among the lines."""
    names = {name for name in connection_options if _ABOUT_CLIENT.fullmatch(name) is None}
    if not names:
        return lines
    kept = [line for line in lines[1:].split(b"\r\n") if line.partition(b":")[0].lower() not in names]
    return b"\n" + b"\r\n".join(kept)

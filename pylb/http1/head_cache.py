"""Reading heads one after the other, without reading twice what is said again.

Clients repeat themselves: on one connection the fields mostly stay the same while the target changes (HTTP/2
compresses heads for that reason, RFC 7541). Where each request has a connection of its own, many connections
are a program's, which says the same on all of them. Backends repeat each other: under the load at which cost
matters, the same few heads come many times within the second in which their `Date` stays the same.

What is remembered is what the parser made of the very same bytes, so nothing is read in another way for it.
Messages that were read are never changed, and may be shared.
"""

from __future__ import annotations

from pylb.http1 import grammar
from pylb.http1.headers import ClientInfo
from pylb.http1.limits import Limits
from pylb.http1.parser import Request, Response, parse_request, parse_response
from pylb.http1.writer import forwarded_headers, response_head

LONGEST = 4096
"""Bytes of a head beyond which it is not remembered: memory per connection has a bound."""

MOST = 256
"""Heads of responses that are remembered at a time."""

SELDOM = 8
"""Of so many heads that are not known, the first is remembered. What is often there will soon be among them;
to remember all would cost where each is new."""

_NEVER = b"\0"
"""What no head ends with."""


class HeadCache:
    """What the fields of the last request were that was remembered, of whichever connection."""

    __slots__ = ("cached_head", "close", "fields", "host", "lines", "origin")

    def __init__(self) -> None:
        self.fields = _NEVER
        """All after the request line, from its line feed on."""
        self.lines = self.host = self.cached_head = b""
        self.close = False
        self.origin: ClientInfo | None = None
        """Where those come from whom `cached_head` fits."""


class RequestReader:
    """Reads the requests of one connection; remembers the fields of the last one that was plain.

    Args:
        limits: what is accepted.
        head_cache: what it begins with, and what others begin with after it.
        origin: where they come from.
    """

    __slots__ = (
        *("_close", "_fields", "_host", "_limits", "_lines", "_longest"),
        *("_origin", "_ready", "_unknown", "_usual"),
    )

    def __init__(self, limits: Limits, head_cache: HeadCache, origin: ClientInfo) -> None:
        self._limits = limits
        self._longest = limits.target + len(b"GET  HTTP/1.1\r")
        """Bytes of a request line that need no closer look."""
        self._usual = head_cache
        self._fields, self._lines, self._host = head_cache.fields, head_cache.lines, head_cache.host
        self._close = head_cache.close
        self._origin = origin
        self._ready = head_cache.cached_head if head_cache.origin is origin else b""
        self._unknown = 0

    def read(self, head: bytes) -> Request:
        """See `parse_request`."""
        length = len(head) - len(self._fields)
        if head[length:] == self._fields:
            match = grammar.REQUEST_LINE.fullmatch(head, 0, length)
            if match is not None and length <= self._longest:
                method, target = match.groups()
                request = Request(method, target, 1, self._lines)
                request.host = self._host
                if self._close:
                    request.close = True
                request.cached_head = self._ready or self._prepare(request)
                return request
        request = parse_request(head, self._limits)
        self._unknown += 1
        if (
            self._unknown % SELDOM == 1
            and request.clean
            and not (request.length or request.chunked)
            and len(head) <= LONGEST
        ):
            head_cache = self._usual
            self._fields = head_cache.fields = head[head.index(b"\n") :]
            self._lines = head_cache.lines = request.lines
            self._host = head_cache.host = request.host
            self._close = head_cache.close = request.close
            self._ready = head_cache.cached_head = b""
        return request

    def _prepare(self, request: Request) -> bytes:
        """Write what backends are told of each such request."""
        self._ready = forwarded_headers(request, self._origin, b"")
        if self._usual.fields is self._fields:
            self._usual.cached_head, self._usual.origin = self._ready, self._origin
        return self._ready


class ResponseReader:
    """Reads the responses of all backends; remembers those that were plain.

    Args:
        limits: what is accepted.
    """

    __slots__ = ("_known", "_limits", "_unknown")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._known: dict[bytes, Response] = {}
        self._unknown = 0

    def read(self, head: bytes) -> Response:
        """See `parse_response`."""
        response = self._known.get(head)
        if response is None:
            response = parse_response(head, self._limits)
            self._unknown += 1
            if self._unknown % SELDOM == 1 and response.clean and len(head) <= LONGEST:
                if len(self._known) == MOST:
                    self._known.clear()
                self._known[head] = response
                if response.dated and response.length >= 0:
                    response.cached_head = response_head(response, chunked=False, close=False, version=1)
        return response

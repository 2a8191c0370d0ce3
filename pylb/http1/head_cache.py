"""A cache of parsed heads, so that repeated heads are parsed once.

On one connection, most requests have the same fields and only the target changes; HTTP/2 compresses heads for
the same reason (RFC 7541). Where each request has a separate connection, a program mostly sends the same
fields on all of them. Under load, responses of backends repeat too: their heads differ only in `Date`, which
changes once a second.

An entry is the parser's own result for exactly the same bytes, so the cache cannot change how a head is
understood. Parsed messages are not modified and can be shared.
"""

from __future__ import annotations

from pylb.config.clients import Limits
from pylb.http1 import grammar
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import Request, Response, parse_request, parse_response
from pylb.http1.writer import forwarded_headers, response_head

MAX_HEAD = 4096
"""Bytes. Longer heads are not stored, which bounds the memory per connection."""

MAX_RESPONSES = 256
"""Heads of responses in the cache. The cache is cleared when it is full."""

STORE_EVERY = 8
"""The first of this number of cache misses is stored. A frequent head is stored soon; storing every head
would cost time where no head repeats."""

_NO_HEAD = b"\0"
"""Bytes with which no head ends."""


class HeadCache:
    """The fields of the request that was stored last, shared by all connections of a worker."""

    __slots__ = ("cached_head", "client", "close", "fields", "host", "lines")

    def __init__(self) -> None:
        self.fields = _NO_HEAD
        """The head after the request line, beginning with the line feed of that line."""
        self.lines = self.host = self.cached_head = b""
        self.close = False
        self.client: ClientInfo | None = None
        """The client for whose requests `cached_head` is valid."""


class RequestReader:
    """Parses the requests of one connection, and stores the fields of clean requests without a body.

    Args:
        limits: limits on heads.
        head_cache: the shared entry: initial value for this connection, updated by it.
        client: the client of the connection.
    """

    __slots__ = (
        *("_close", "_fields", "_host", "_limits", "_lines", "_longest"),
        *("_cached_head", "_client", "_head_cache", "_misses"),
    )

    def __init__(self, limits: Limits, head_cache: HeadCache, client: ClientInfo) -> None:
        self._limits = limits
        self._longest = limits.max_target + len(b"GET  HTTP/1.1\r")
        """Length of a request line whose target cannot exceed the limit."""
        self._head_cache = head_cache
        self._fields, self._lines, self._host = head_cache.fields, head_cache.lines, head_cache.host
        self._close = head_cache.close
        self._client = client
        self._cached_head = head_cache.cached_head if head_cache.client is client else b""
        self._misses = 0

    def read(self, head: bytes) -> Request:
        """Return the parsed request, from the cache if its fields are stored; see `parse_request`."""
        length = len(head) - len(self._fields)
        if head.endswith(self._fields):
            match = grammar.REQUEST_LINE.fullmatch(head, 0, length)
            if match is not None and length <= self._longest:
                method, target = match.groups()
                request = Request(method, target, 1, self._lines)
                request.host = self._host
                if self._close:
                    request.close = True
                request.cached_head = self._cached_head or self._prepare(request)
                return request
        request = parse_request(head, self._limits)
        self._misses += 1
        if (
            self._misses % STORE_EVERY == 1
            and request.clean
            and not (request.length or request.chunked)
            and len(head) <= MAX_HEAD
        ):
            head_cache = self._head_cache
            self._fields = head_cache.fields = head[head.index(b"\n") :]
            self._lines = head_cache.lines = request.lines
            self._host = head_cache.host = request.host
            self._close = head_cache.close = request.close
            self._cached_head = head_cache.cached_head = b""
        return request

    def _prepare(self, request: Request) -> bytes:
        """Build and store the part of the forwarded head that all requests with these fields share."""
        self._cached_head = forwarded_headers(request, self._client, b"")
        if self._head_cache.fields is self._fields:
            self._head_cache.cached_head, self._head_cache.client = self._cached_head, self._client
        return self._cached_head


class ResponseReader:
    """Parses the responses of all backends, and stores clean ones.

    Args:
        limits: limits on heads.
    """

    __slots__ = ("_heads", "_limits", "_misses")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._heads: dict[bytes, Response] = {}
        self._misses = 0

    def read(self, head: bytes) -> Response:
        """Return the parsed response, from the cache if its head is stored; see `parse_response`."""
        response = self._heads.get(head)
        if response is None:
            response = parse_response(head, self._limits)
            self._misses += 1
            if self._misses % STORE_EVERY == 1 and response.clean and len(head) <= MAX_HEAD:
                if len(self._heads) == MAX_RESPONSES:
                    self._heads.clear()
                self._heads[head] = response
                if response.dated and response.length >= 0:
                    response.cached_head = response_head(response, chunked=False, close=False, version=1)
        return response

"""Parses the heads of the requests on one connection, those with equal field lines once.

A connection with HTTP/2 carries requests of many kinds: those of a page and its images, or the calls of a
gRPC channel. Each kind repeats its fields, and only the target changes, or `grpc-timeout`, which is the time
that is left for a call. `http1.head_cache` stores one kind per connection, and only requests without a body.

An entry is made from the parser's own result for the same lines. For a target in origin-form nothing in that
result depends on the request line except the method and the target, and nothing at all on `grpc-timeout`.
"""

from __future__ import annotations

import re

from pylb.config.clients import Limits
from pylb.http1 import grammar
from pylb.http1.head_cache import MAX_HEAD, STORE_EVERY
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import Request, parse_request
from pylb.http1.writer import forwarded_headers
from pylb.http2.request_text import GRPC_TIMEOUT

MAX_SIZE = 16_384
"""Bytes of the field lines that are stored for a connection. All are removed when there are more."""

_START = re.compile(
    rb"%b(\n%b: [0-9]{1,8}[HMSmun]\r|)(?=\n)" % (grammar.REQUEST_LINE.pattern, GRPC_TIMEOUT)
)  # fmt: skip
"""The request line of most requests, and the line of `grpc-timeout` if it is valid and comes first, where
`request_text` writes it. Groups: method, target, timeout."""

_VERSION = b" HTTP/1.1\r"
_PER_REQUEST = frozenset(["lines", "method", "target", "version"])


class RequestReader:
    """Parses the requests of one connection with HTTP/2.

    Args:
        limits: limits on heads.
        client: the client of the connection.
    """

    __slots__ = ("_client", "_head", "_kinds", "_limits", "_misses", "_request", "_size")

    def __init__(self, limits: Limits, client: ClientInfo) -> None:
        self._limits = limits
        self._client = client
        self._kinds: dict[bytes, _Kind] = {}
        """By their field lines."""
        self._size = 0
        self._misses = 0
        self._head = b""
        """The last head whose fields are stored, and the request that was made from it."""
        self._request: Request | None = None

    def read(self, head: bytes) -> Request:
        """Return the parsed request, from an entry if its fields are stored; see `parse_request`.

        The same head has the same request again, unless a trace has made that one different.

        Args:
            head: a head that `RequestHeads` returned, which is the same object for equal header blocks.
        """
        request = self._request
        if head is self._head and request is not None and request.trace is None:
            return request
        start = _START.match(head)
        if start is None:
            return parse_request(head, self._limits)
        fields = head[start.end() :]
        kind = self._kinds.get(fields)
        method, target, timeout = start.groups()
        if kind is None or len(target) > self._limits.max_target:
            request = parse_request(head, self._limits)
            self._misses += 1
            if self._misses % STORE_EVERY == 1:
                self._store(head[: start.start(3)], fields)
            return request
        request = Request(method, target, 1, kind.lines)
        for name, value in kind.facts:
            setattr(request, name, value)
        if timeout:
            request.lines = timeout + kind.lines
            request.cached_head = kind.head_with(timeout)
        self._head, self._request = head, request
        return request

    def _store(self, line: bytes, fields: bytes) -> None:
        """Store fields that the parser has accepted, unless they are long.

        Args:
            line: the request line.
            fields: the rest of the head, without a timeout. With one, it must not exceed the limit either.
        """
        size = len(fields)
        if size > MAX_HEAD or fields.count(b"\n") - 2 >= self._limits.max_headers:
            return
        self._size += size
        if self._size > MAX_SIZE:
            self._kinds.clear()
            self._size = size
        self._kinds[fields] = _Kind(parse_request(line + fields, self._limits), self._client)


class _Kind:
    """What the requests with equal field lines share.

    Args:
        request: one of these requests, without a timeout.
        client: the client of the connection.
    """

    __slots__ = ("_after_host", "_head", "facts", "lines")

    def __init__(self, request: Request, client: ClientInfo) -> None:
        self.lines = request.lines
        self._head = request.cached_head = forwarded_headers(request, client, b"")
        self._after_host = len(_VERSION) if request.clean else self._head.index(b"\n", len(_VERSION) + 1)
        """The place of the client's fields. pylb writes `Host` before them unless all are forwarded."""
        plain = vars(Request(b"", b"", 1, b""))
        self.facts = [
            (name, value)
            for name, value in vars(request).items()
            if name not in _PER_REQUEST and (name not in plain or value != plain[name])
        ]
        """The attributes that differ from those of a request without fields."""

    def head_with(self, timeout: bytes) -> bytes:
        """Return what a backend receives after the target, with the line of a timeout."""
        return b"".join((self._head[: self._after_host], timeout, self._head[self._after_host :]))

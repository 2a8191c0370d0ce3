"""Translates the header blocks of a backend to HTTP/1.1: heads of responses, and trailers (RFC 9113 §8.3.2).

The translation ensures that each field becomes exactly one line, and that the framing is that of the stream.
The parser of HTTP/1.1 reads the head afterwards. Equal blocks are translated once while no table changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import TypeVar

from pylb.http1.bad_request import bad_response, shown
from pylb.http1.body import FORBIDDEN_TRAILERS
from pylb.http2.decoder import HeaderDecoder
from pylb.http2.errors import ErrorCode, StreamError
from pylb.http2.request_text import NAME
from pylb.http2.tables import Field

_CONNECTION_FIELDS = frozenset([
    b"connection", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade",
])  # fmt: skip
"""Fields about the connection, which make a message of HTTP/2 malformed (RFC 9113 §8.2.2)."""

_STARTS = {b"%d" % s.value: b"HTTP/1.1 %d %b\r\n" % (s.value, s.phrase.encode()) for s in HTTPStatus}

_BODILESS = frozenset([b"204", b"304"])

_MAX_MEMO = 256
"""Blocks whose translation is stored. The memo is cleared when it is full."""

_MAX_STORED = 4096
"""Bytes of the largest block that is stored."""

_SIZE_UPDATES = bytes(range(0x20, 0x40))
"""First bytes of blocks that resize the table (RFC 7541 §6.3)."""

_Key = TypeVar("_Key")
_Found = TypeVar("_Found")


class ResponseHeads:
    """Translates the header blocks of one connection, in the order of their arrival.

    A backend that keeps a table although pylb offers none is tolerated: some encoders ignore the setting.

    Args:
        table_size: the HEADER_TABLE_SIZE that pylb offers to the backend.
        limit: maximum size of the fields of a block; see `HeaderDecoder`.
    """

    __slots__ = ("_decoder", "_limit", "_memo", "_trailers")

    def __init__(self, table_size: int, limit: int) -> None:
        self._decoder = HeaderDecoder(table_size, limit)
        self._limit = limit
        self._memo: dict[tuple[bytes, bool, bool], tuple[bytes, bool]] = {}
        self._trailers: dict[bytes, bytes] = {}
        """Trailers by their block: most calls of gRPC end alike."""

    def head(self, block: bytes, *, end_stream: bool, bodiless: bool) -> tuple[bytes, bool]:
        """Return the head of a response as text, and whether it is interim.

        Args:
            block: the header block.
            end_stream: whether the response ends with it.
            bodiless: whether the response is to HEAD.

        Raises:
            ProxyError: 502, the response is malformed.
            SessionError: the block cannot be decoded.
        """
        key = block, end_stream, bodiless
        found = self._memo.get(key)
        if found is None:
            found = self._translate(self._fields(block), end_stream=end_stream, bodiless=bodiless)
            if self._repeatable(block):
                _store(self._memo, key, found)
        return found

    def trailers(self, block: bytes, stream: int) -> bytes:
        """Return trailers as field lines. Those that trailers must not contain are dropped.

        Raises:
            StreamError: they are malformed.
            SessionError: the block cannot be decoded.
        """
        found = self._trailers.get(block)
        if found is not None:
            return found
        fields = self._fields(block)
        names = {name for name, _ in fields}
        if (
            self._decoder.size > self._limit
            or names & _CONNECTION_FIELDS
            or not all(map(NAME.fullmatch, names))
        ):
            raise StreamError(stream, ErrorCode.PROTOCOL_ERROR, "malformed trailers")
        lines = b"".join([b"%b: %b\r\n" % field for field in fields])
        if not lines.count(b"\n") == lines.count(b"\r") == len(fields) or b"\0" in lines:
            raise StreamError(stream, ErrorCode.PROTOCOL_ERROR, "a control character in trailers")
        lines = FORBIDDEN_TRAILERS.sub(b"", b"\n" + lines)[1:]
        if self._repeatable(block):
            _store(self._trailers, block, lines)
        return lines

    def skip(self, block: bytes) -> None:
        """Decode a block that belongs to no stream, because it may change the table."""
        self._fields(block)

    def _fields(self, block: bytes) -> Sequence[Field]:
        fields = self._decoder.decode(block)
        if self._decoder.table.entries:
            self._memo.clear()
            self._trailers.clear()
        return fields

    def _repeatable(self, block: bytes) -> bool:
        """Return whether an equal block will have the same fields, as long as no table is filled."""
        stored = len(block) <= _MAX_STORED and block[:1] not in _SIZE_UPDATES
        return stored and not self._decoder.table.entries

    def _translate(self, fields: Sequence[Field], *, end_stream: bool, bodiless: bool) -> tuple[bytes, bool]:
        if self._decoder.size > self._limit:
            raise bad_response(f"fields of more than {self._limit} bytes in a response")
        if not fields or fields[0][0] != b":status":
            raise bad_response("a response of HTTP/2 that does not begin with :status")
        status = fields[0][1]
        lines = [_STARTS.get(status) or b"HTTP/1.1 %b \r\n" % status]
        names = set()
        for name, value in fields[1:]:
            if NAME.fullmatch(name) is None or name in _CONNECTION_FIELDS:
                raise bad_response(f"field {shown(name)} in a response of HTTP/2")
            names.add(name)
            lines.append(b"%b: %b\r\n" % (name, value))
        interim = status[:1] == b"1"
        if interim and (end_stream or status == b"101"):
            raise bad_response(f"an interim response {shown(status)} that ends the stream or its protocol")
        if not (interim or bodiless or status in _BODILESS or b"content-length" in names):
            lines.append(b"Content-Length: 0\r\n" if end_stream else b"Transfer-Encoding: chunked\r\n")
        text = b"".join(lines)
        if not text.count(b"\n") == text.count(b"\r") == len(lines):
            raise bad_response("a line end inside a field of a response of HTTP/2")
        return text + b"\r\n", interim


def _store(memo: dict[_Key, _Found], key: _Key, found: _Found) -> None:
    """Store a translation, after clearing a full memo."""
    if len(memo) >= _MAX_MEMO:
        memo.clear()
    memo[key] = found

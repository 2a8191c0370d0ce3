"""Decodes header blocks (RFC 7541 §3, §6). A fault ends the connection, because the tables may differ."""

from __future__ import annotations

from pylb.http2 import huffman
from pylb.http2.errors import ErrorCode, SessionError, compression_error
from pylb.http2.tables import DEFAULT_SIZE, ENTRY_OVERHEAD, FIRST_DYNAMIC, STATIC, DynamicTable, Field

_INDEXED, _WITH_INDEXING, _SIZE_UPDATE = 0x80, 0x40, 0x20
"""The highest bits of a representation; below are literals without indexing (RFC 7541 §6)."""

_MAX_SHIFT = 28
"""Bits. Integers have at most five bytes after the prefix, so up to 2^35; no valid length is that large."""

_MAX_SIZE_UPDATES = 2
"""In one block: the smallest size since the last block, and the final size (RFC 7541 §4.2)."""


class HeaderDecoder:
    """Decodes the header blocks of one connection, in the order of their arrival.

    Args:
        table_size: the HEADER_TABLE_SIZE that pylb offers to the peer, in bytes.
        limit: maximum size of the fields of a block: names, values, and 32 bytes for each (RFC 9113 §6.5.2).
    """

    __slots__ = ("_limit", "_offered", "_size_limit", "_update_due", "path", "size", "table")

    def __init__(self, table_size: int, limit: int) -> None:
        self.table = DynamicTable()
        self.size = 0
        """The size of the fields of the last block, as `limit` counts it."""
        self.path: tuple[int, int] | None = None
        """The place of the value of `:path` in the last block, if it is a literal that changes no table."""
        self._limit = limit
        self._offered = table_size
        self._size_limit = max(table_size, DEFAULT_SIZE)
        """Maximum size of the dynamic table. A lower setting applies after the peer's acknowledgement."""
        self._update_due = False

    def settings_acknowledged(self) -> None:
        """Apply the offered table size (RFC 9113 §4.3.1). If lower, a size update begins the next block."""
        self._size_limit = self._offered
        self._update_due = self.table.max_size > self._size_limit

    def decode(self, block: bytes) -> list[Field]:
        """Return the fields of a block, or nothing if their `size` exceeds the limit.

        Raises:
            SessionError: COMPRESSION_ERROR for an invalid block; ENHANCE_YOUR_CALM for fields of more than
                twice the limit.
        """
        self.path = None
        try:
            fields = self._fields(block, self._size_updates(block))
        except IndexError:
            raise compression_error("a header block with an index beyond the table, or that is cut") from None
        self.size = ENTRY_OVERHEAD * len(fields) + sum([len(name) + len(value) for name, value in fields])
        if self.size <= self._limit:
            return fields
        if self.size > 2 * self._limit:
            raise SessionError(
                ErrorCode.ENHANCE_YOUR_CALM, f"fields of {self.size} bytes, expected at most {self._limit}"
            )
        return []

    def _size_updates(self, block: bytes) -> int:
        """Apply the size updates at the beginning of a block, and return the position after them (§6.3)."""
        position = count = 0
        while position < len(block) and _SIZE_UPDATE <= block[position] < _WITH_INDEXING:
            size, position = _integer(block, position, _SIZE_UPDATE - 1)
            count += 1
            if size > self._size_limit or count > _MAX_SIZE_UPDATES:
                raise compression_error(f"table size update to {size}, allowed: {self._size_limit}, twice")
            self._update_due = False
            self.table.resize(size)
        if self._update_due:
            raise compression_error("no table size update after a lower HEADER_TABLE_SIZE")
        return position

    def _fields(self, block: bytes, position: int) -> list[Field]:
        """Decode the representations from a position on."""
        table, end, fields = self.table, len(block), []
        entries = table.entries
        while position < end:
            first = block[position]
            if first > _INDEXED:
                index, position = first & 0x7F, position + 1
                if index == 0x7F:
                    index, position = _integer(block, position - 1, 0x7F)
                fields.append(STATIC[index] if index < FIRST_DYNAMIC else entries[index - FIRST_DYNAMIC])
                continue
            if first == _INDEXED or _SIZE_UPDATE <= first < _WITH_INDEXING:
                raise compression_error("index 0, or a table size update inside a header block")
            mask = 0x3F if first >= _WITH_INDEXING else 0x0F
            index, position = first & mask, position + 1
            if index == mask:
                index, position = _integer(block, position - 1, mask)
            if not index:
                name, position = string_literal(block, position)
            elif index < FIRST_DYNAMIC:
                name = STATIC[index][0]
            else:
                name = entries[index - FIRST_DYNAMIC][0]
            start = position
            value, position = string_literal(block, position)
            field = name, value
            fields.append(field)
            if first >= _WITH_INDEXING:
                table.insert(field)
            if name == b":path" and (first < _WITH_INDEXING or not table.max_size):
                self.path = start, position
        return fields


def string_literal(block: bytes, position: int) -> tuple[bytes, int]:
    """Return the string literal at a position, and the position after it (RFC 7541 §5.2)."""
    first = block[position]
    length, start = first & 0x7F, position + 1
    if length == 0x7F:
        length, start = _integer(block, position, 0x7F)
    end = start + length
    text = block[start:end]
    if len(text) != length:
        raise compression_error("a string literal that exceeds its header block")
    return (huffman.decode(text) if first >= 0x80 else text), end


def _integer(block: bytes, position: int, mask: int) -> tuple[int, int]:
    """Return the integer whose prefix is at a position, and the position after it (RFC 7541 §5.1)."""
    value = block[position] & mask
    position += 1
    if value < mask:
        return value, position
    for shift in range(0, _MAX_SHIFT + 1, 7):
        byte = block[position]
        position += 1
        value += (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise compression_error("an integer of more than five bytes in a header block")

"""Encodes fields without a dynamic table, so that equal fields are always equal bytes (RFC 7541 §6).

A block can thus be stored and sent on any connection. Strings are sent as they are: the Huffman code would
save a fifth of a block, but take longer than all other steps of a new response.
"""

from __future__ import annotations

from pylb.http2.tables import STATIC

EMPTY_TABLE = b"\x20"
"""A size update to 0. It begins the first block after the peer has lowered HEADER_TABLE_SIZE (RFC 7541 §4.2).
Later changes of the setting need none, because this encoder uses no table."""

_WITHOUT_INDEXING, _NEVER_INDEXED, _INDEXED = 0x00, 0x10, 0x80
"""The first bits of representations."""

_SECRET = frozenset([b"authorization", b"cookie", b"proxy-authorization", b"set-cookie"])
"""Fields that no later hop may add to a table, because the length of blocks could reveal their values (RFC
7541 §7.1.3)."""

_STATIC_FIELDS = {field: index for index, field in enumerate(STATIC) if index}
_STATIC_NAMES = {name: index for index, (name, _) in reversed([*enumerate(STATIC)]) if index}

_MAX_NAMES = 1024
_NAMES: dict[bytes, bytes] = {}
"""Encoded names. The dictionary is cleared when it is full."""


def field(name: bytes, value: bytes) -> bytes:
    """Return the representation of a field.

    Args:
        name: the name in lower case.
        value: the value without white space around it.
    """
    index = _STATIC_FIELDS.get((name, value))
    if index is not None:
        return bytes((_INDEXED | index,))
    return (_NAMES.get(name) or _name(name)) + _string(value)


def _name(name: bytes) -> bytes:
    """Encode and store the name of a literal."""
    first = _NEVER_INDEXED if name in _SECRET else _WITHOUT_INDEXING
    index = _STATIC_NAMES.get(name, 0)
    encoded = _integer(index, 0x0F, first)
    if not index:
        encoded += _string(name)
    if len(_NAMES) == _MAX_NAMES:
        _NAMES.clear()
    _NAMES[name] = encoded
    return encoded


def _string(text: bytes) -> bytes:
    """Return a string literal (RFC 7541 §5.2)."""
    return _integer(len(text), 0x7F, 0) + text


def _integer(value: int, mask: int, first: int) -> bytes:
    """Return an integer (RFC 7541 §5.1).

    Args:
        value: the integer.
        mask: the bits of the first byte that belong to the integer.
        first: the other bits of the first byte.
    """
    if value < mask:
        return bytes((first | value,))
    encoded = [first | mask]
    value -= mask
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*encoded, value))

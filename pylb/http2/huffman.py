"""Decodes strings in the Huffman code of HPACK (RFC 7541 §5.2, appendix B). pylb sends strings uncompressed.

Decoding takes one dictionary lookup per byte. A state is a dictionary that maps a byte to the next state and
the decoded text. Entries are computed when they are first used, because text uses few of the 65,536 (8 MB).
"""

from __future__ import annotations

from typing import Any

from pylb.http2.errors import compression_error

_SYMBOLS = {
    5: b"012aceiost",
    6: b" %-./3456789=A_bdfghlmnpru",
    7: b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz",
    8: b"&*,;XZ",
    10: b'!"()?',
    11: b"'+|",
    12: b"#>",
    13: b"\x00$@[]~",
    14: b"^}",
    15: b"<`{",
    19: bytes.fromhex("5c c3 d0"),
    20: bytes.fromhex("80 82 83 a2 b8 c2 e0 e2"),
    21: bytes.fromhex("99 a1 a7 ac b0 b1 b3 d1 d8 d9 e3 e5 e6"),
    22: bytes.fromhex("81 84 85 86 88 92 9a 9c a0 a3 a4 a9 aa ad b2 b5 b9 ba bb bd be c4 c6 e4 e8 e9"),
    23: bytes.fromhex(
        "01 87 89 8a 8b 8c 8d 8f 93 95 96 97 98 9b 9d 9e a5 a6 a8 ae af b4 b6 b7 bc bf c5 e7 ef"
    ),
    24: bytes.fromhex("09 8e 90 91 94 9f ab ce d7 e1 ec ed"),
    25: bytes.fromhex("c7 cf ea eb"),
    26: bytes.fromhex("c0 c1 c8 c9 ca cd d2 d5 da db ee f0 f2 f3 ff"),
    27: bytes.fromhex("cb cc d3 d4 d6 dd de df f1 f4 f5 f6 f7 f8 fa fb fc fd fe"),
    28: bytes.fromhex(
        "02 03 04 05 06 07 08 0b 0c 0e 0f 10 11 12 13 14 15 17 18 19 1a 1b 1c 1d 1e 1f 7f dc f9"
    ),
    30: bytes.fromhex("0a 0d 16"),
}
"""The bytes by the length of their code in bits, in the order of their codes. The code is canonical: each is
that of the byte before plus one, with zeros appended if it is longer. EOS has the last code."""

_EOS = 256
_LONGEST_PADDING = 7
"""Bits. Padding consists of the first bits of EOS, which are all ones."""

_MEMO_LENGTH = 128
"""Bytes. Longer strings rarely repeat."""
_MEMO_SIZE = 1024
"""Strings. The memo is cleared when it is full."""


def _codes() -> dict[int, str]:
    """Return the bits of each symbol, as text."""
    codes, code, last = {}, 0, 0
    for length, symbols in [*_SYMBOLS.items(), (30, (_EOS,))]:
        code <<= length - last
        last = length
        for symbol in symbols:
            codes[symbol] = format(code, f"0{length}b")
            code += 1
    return codes


def _tree(codes: dict[int, str]) -> list[list[int]]:
    """Return the inner nodes of the code's tree: for each bit, the index of a node, or `~symbol`."""
    nodes = [[0, 0]]
    for symbol, bits in codes.items():
        node = 0
        for bit in map(int, bits[:-1]):
            if not nodes[node][bit]:
                nodes[node][bit] = len(nodes)
                nodes.append([0, 0])
            node = nodes[node][bit]
        nodes[node][int(bits[-1])] = ~symbol
    return nodes


_NODES = _tree(_codes())


_State = dict[int, tuple[Any, bytes]]
_NODE = -1
"""The key in a state at which its own node is stored, instead of a next state."""

_STATES: list[_State] = [{_NODE: (node, b"")} for node in range(len(_NODES))]
"""The states by node: the position in the tree after a whole number of bytes."""


def _ends() -> frozenset[int]:
    """Return the nodes at which a string may end: all bits since the last symbol are padding."""
    ends = [0]
    for _ in range(_LONGEST_PADDING):
        ends.append(_NODES[ends[-1]][1])
    return frozenset(ends)


_ENDS = _ends()
_MEMO: dict[bytes, bytes] = {}


def decode(encoded: bytes) -> bytes:
    """Return the decoded string.

    Raises:
        SessionError: the string contains EOS, or its padding is not up to seven one bits.
    """
    text = _MEMO.get(encoded)
    if text is not None:
        return text
    state, pieces = _STATES[0], []
    for byte in encoded:
        try:
            state, piece = state[byte]
        except KeyError:
            state, piece = _step(state, byte)
        pieces.append(piece)
    if state[_NODE][0] not in _ENDS:
        raise compression_error("a Huffman string with invalid padding")
    text = b"".join(pieces)
    if len(encoded) <= _MEMO_LENGTH:
        if len(_MEMO) == _MEMO_SIZE:
            _MEMO.clear()
        _MEMO[encoded] = text
    return text


def _step(state: _State, byte: int) -> tuple[_State, bytes]:
    """Compute an entry of a state, and store it."""
    node, text = state[_NODE][0], bytearray()
    for shift in range(7, -1, -1):
        node = _NODES[node][byte >> shift & 1]
        if node < 0:
            if ~node == _EOS:
                raise compression_error("EOS in a Huffman string")
            text.append(~node)
            node = 0
    step = state[byte] = _STATES[node], bytes(text)
    return step

"""Encoders of header blocks that behave as those of common clients."""

import hpack

PATH = b":path"
_PATH_INDEX = 4
_WITHOUT_INDEXING = b"\x00"


class LiteralPaths(hpack.Encoder):
    """Encodes `:path` as nghttp2 does: as a literal without indexing, unless it is in the static table."""

    def add(self, to_add: tuple[bytes, bytes], sensitive: bool, huffman: bool = False) -> bytes:
        if to_add[0] == PATH and to_add[1] not in {b"/", b"/index.html"}:
            return self._encode_indexed_literal(_PATH_INDEX, to_add[1], _WITHOUT_INDEXING, huffman)
        return super().add(to_add, sensitive, huffman)


ENCODERS = {"nghttp2": LiteralPaths, "Go": hpack.Encoder}
"""By a client that behaves like it. Go's encoder and hpack add each path to the dynamic table."""

"""The heads of the requests that a connection has sent, by header block and by fields.

While the dynamic table is unchanged, equal blocks mean equal fields. The requests of a client mostly differ
in `:path` only. Many clients encode it as a literal (nghttp2, thus curl and Node). A template then holds the
bytes around that literal, and only the path is decoded and validated. Others add each path to the dynamic
table (Go, Python), so all indices change; their fields are compared after decoding.

Everything in the memo has passed all checks of `request_text`, except that of the path in a new request.
"""

from __future__ import annotations

from pylb.http1.grammar import ORIGIN_FORM
from pylb.http2.decoder import string_literal
from pylb.http2.request_text import RequestText
from pylb.http2.tables import Field

MEMO_SIZE = 32_768
"""Bytes of blocks, fields and heads in a memo. The memo is cleared when it is full."""

OtherFields = tuple[int | Field, ...]
"""The place of `:path` among the fields, and all other fields."""


class RequestMemo:
    """The heads of those requests of a connection that end with their head, or of those that do not."""

    __slots__ = ("_heads", "_size", "_template", "_texts")

    def __init__(self) -> None:
        self._heads: dict[bytes, bytes] = {}
        """Heads by block."""
        self._template: _Template | None = None
        """Made from the block with a literal path that was stored last."""
        self._texts: dict[OtherFields, RequestText] = {}
        self._size = 0

    def head(self, block: bytes) -> bytes:
        """Return the head of a block; empty if the block is not stored and no template matches."""
        head = self._heads.get(block)
        if head is None:
            return self._template.head(block) if self._template is not None else b""
        return head

    def text(self, path: bytes, others: OtherFields) -> RequestText | None:
        """Return the text for these fields, if it is stored and the path is valid."""
        return self._texts.get(others) if ORIGIN_FORM.fullmatch(path) is not None else None

    def store_text(self, others: OtherFields, text: RequestText, size: int) -> None:
        """Store the text of fields.

        Args:
            others: the fields.
            text: their translation.
            size: the size of the fields in bytes.
        """
        if self._reserve(size):
            self._texts[others] = text

    def store_block(
        self, block: bytes, head: bytes, text: RequestText, path: tuple[int, int] | None, max_path: int
    ) -> None:
        """Store a block that has not changed the dynamic table.

        Args:
            block: the block.
            head: the whole head.
            text: the parts of the head.
            path: the place of the literal value of `:path` in the block, if there is one.
            max_path: the length of a path with which the fields reach their limit.
        """
        if self._reserve(len(block) + len(head)):
            self._heads[block] = head
            if path is not None:
                self._template = _Template(block, path, text, max_path)

    def forget_blocks(self) -> None:
        """Remove all blocks, because the dynamic table has changed."""
        if self._heads:
            self._heads.clear()
            self._template = None

    def _reserve(self, size: int) -> bool:
        """Account for an entry, after clearing a full memo. Returns whether the entry may be stored."""
        if size > MEMO_SIZE:
            return False
        self._size += size
        if self._size > MEMO_SIZE:
            self.forget_blocks()
            self._texts.clear()
            self._size = size
        return True


class _Template:
    """A header block with a literal `:path`, which is the only difference between the blocks that match."""

    __slots__ = ("_length", "_max_path", "_prefix", "_suffix", "_text")

    def __init__(self, block: bytes, path: tuple[int, int], text: RequestText, max_path: int) -> None:
        start, end = path
        self._prefix, self._suffix = block[:start], block[end:]
        self._length = len(self._prefix) + len(self._suffix)
        self._text = text
        self._max_path = max_path

    def head(self, block: bytes) -> bytes:
        """Return the head for a block that differs in a valid `:path` only; empty for all other blocks."""
        length = len(block) - self._length
        if length <= 0 or not block.startswith(self._prefix) or not block.endswith(self._suffix):
            return b""
        start = len(self._prefix)
        try:
            path, end = string_literal(block, start)
        except IndexError:
            return b""
        if end != start + length or len(path) > self._max_path or ORIGIN_FORM.fullmatch(path) is None:
            return b""
        return self._text.head(path)

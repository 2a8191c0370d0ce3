"""The requests of one connection: header blocks to heads of HTTP/1.1, in the order of their arrival."""

from __future__ import annotations

from collections.abc import Sequence

from pylb.config.clients import Limits
from pylb.http1 import grammar
from pylb.http1.bad_request import bad_request
from pylb.http1.body import FORBIDDEN_TRAILERS
from pylb.http1.limits import MAX_TRAILERS
from pylb.http2.decoder import HeaderDecoder
from pylb.http2.errors import ErrorCode, StreamError
from pylb.http2.request_memo import OtherFields, RequestMemo
from pylb.http2.request_text import NAME, request_text
from pylb.http2.tables import DEFAULT_SIZE, Field


class RequestHeads:
    """Translates the header blocks of the requests on one connection.

    Every block that arrives is passed to one of the methods, even if its stream is refused: it may change the
    dynamic table.

    Args:
        limits: limits on heads.
        table_size: the HEADER_TABLE_SIZE that pylb offers to the client, in bytes.
    """

    __slots__ = ("_decoder", "_limits", "_memos")

    def __init__(self, limits: Limits, table_size: int = DEFAULT_SIZE) -> None:
        self._limits = limits
        self._decoder = HeaderDecoder(table_size, limits.max_head)
        self._memos = RequestMemo(), RequestMemo()
        """By `end_stream`, on which the framing depends."""

    def settings_acknowledged(self) -> None:
        """Apply the offered table size after the client's acknowledgement; see `HeaderDecoder`."""
        self._forget_blocks()
        self._decoder.settings_acknowledged()

    def head(self, block: bytes, *, end_stream: bool) -> bytes:
        """Return the head of the request as text of HTTP/1.1, including the empty line.

        Args:
            block: the whole header block.
            end_stream: whether the request ends with it, so that it has no content.

        Raises:
            ProxyError: 400, 405, 431 or 501: the request is not valid, or HTTP/1.1 cannot represent it.
            SessionError: the block is invalid; see `HeaderDecoder.decode`.
        """
        return self._memos[end_stream].head(block) or self._read(block, end_stream=end_stream)

    def trailers(self, stream: int, block: bytes) -> bytes:
        """Return the field lines of trailers, each with its CRLF, without those that are forbidden.

        Args:
            stream: the id of the stream.
            block: the whole header block.

        Raises:
            StreamError: the fields are invalid or too large (RFC 9113 §8.1).
            SessionError: the block is invalid; see `HeaderDecoder.decode`.
        """
        fields = self._decode(block)
        if self._decoder.size > min(self._limits.max_head, MAX_TRAILERS):
            raise StreamError(stream, ErrorCode.ENHANCE_YOUR_CALM, f"trailers of {self._decoder.size} bytes")
        text = b"".join([b"%b: %b\r\n" % (name, value.strip(b"\t ")) for name, value in fields])
        valid = all(NAME.fullmatch(name) for name, _ in fields) and text.count(b"\n") == len(fields)
        if not valid or grammar.TRAILERS.fullmatch(text + b"\r\n") is None:
            raise StreamError(stream, ErrorCode.PROTOCOL_ERROR, "an invalid field in trailers")
        return FORBIDDEN_TRAILERS.sub(b"", b"\n" + text)[1:]

    def discard(self, block: bytes) -> None:
        """Decode the block of a stream that is refused or closed, because it may change the dynamic table.

        Raises:
            SessionError: the block is invalid; see `HeaderDecoder.decode`.
        """
        self._decode(block)

    def _read(self, block: bytes, *, end_stream: bool) -> bytes:
        """Decode, translate and perhaps store a block."""
        decoder, memo, max_size = self._decoder, self._memos[end_stream], self._limits.max_head
        changes = decoder.table.changes
        fields = self._decode(block)
        if decoder.size > max_size:
            raise bad_request(f"a head of more than {max_size} bytes", 431)
        path, others = _without_path(fields)
        text = memo.text(path, others)
        if text is None:
            text = request_text(fields, end_stream=end_stream)
            if not text.repeatable:
                return text.head(path)
            memo.store_text(others, text, decoder.size)
        head = text.head(path)
        if decoder.table.changes == changes:
            memo.store_block(block, head, text, decoder.path, max_size - decoder.size + len(path))
        return head

    def _decode(self, block: bytes) -> list[Field]:
        """Decode a block, and forget the stored ones if it changes the dynamic table."""
        table = self._decoder.table
        changes = table.changes
        fields = self._decoder.decode(block)
        if table.changes != changes:
            self._forget_blocks()
        return fields

    def _forget_blocks(self) -> None:
        for memo in self._memos:
            memo.forget_blocks()


def _without_path(fields: Sequence[Field]) -> tuple[bytes, OtherFields]:
    """Return the first `:path`, and its place and the other fields; an empty path if there is none."""
    for place, (name, path) in enumerate(fields):
        if name == b":path":
            return path, (place, *fields[:place], *fields[place + 1 :])
    return b"", (-1, *fields)

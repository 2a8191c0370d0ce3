"""Blocks decode as by the package hpack, or not at all."""

import hpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pylb.http2.decoder import HeaderDecoder
from pylb.http2.errors import ErrorCode, SessionError

LIMIT = 2000
LARGEST = 65_536

text = st.binary(max_size=20) | st.sampled_from([b":path", b"/", b"GET", b":method", b"cookie", b"a" * 300])
fields = st.lists(st.tuples(text, text), max_size=8)


def decoder(table_size=4096, limit=LARGEST):
    return HeaderDecoder(table_size, limit)


def size_update(size):
    head, *rest = hpack.hpack.encode_integer(size, 5)
    return bytes([head | 0x20, *rest])


def rejected(given, block, code=ErrorCode.COMPRESSION_ERROR):
    with pytest.raises(SessionError) as error:
        given.decode(block)
    assert error.value.code is code
    return error.value.detail


@given(st.lists(st.tuples(fields, st.booleans(), st.sampled_from([None, 0, 40, 100, 4096])), max_size=6))
def test_blocks_of_another_encoder_mean_the_fields_that_it_encoded(blocks):
    encoder, ours = hpack.Encoder(), decoder()
    for sent, huffman, size in blocks:
        if size is not None:
            encoder.header_table_size = size
        assert ours.decode(encoder.encode(sent, huffman=huffman)) == sent
        assert list(ours.table.entries) == list(encoder.header_table.dynamic_entries)


pieces = st.binary(max_size=6) | st.sampled_from([
    b"\x82", b"\xbe", b"\xbf", b"\x40\x01a\x01b", b"\x44\x01/", b"\x04\x01/", b"\x20", b"\x3f\xe1\x1f",
    b"\x3f\xe2\x1f", b"\xff\x00", b"\xff\x80\x00", b"\x0f\x00\x01a", b"\x10\x81\x1f\x81\x1f", b"\x7f\x00\x00",
    b"\x80", b"\x00\x7f\x00",
])  # fmt: skip


@given(st.lists(st.lists(pieces, max_size=8).map(b"".join), max_size=4))
@example([b"\x82\x20"])
@example([b"\x3f\xe1\xff\xff\xff\xff\x07"])
def test_any_bytes_decode_as_by_the_oracle_or_not_at_all(blocks):
    ours, oracle = decoder(), hpack.Decoder(LARGEST)
    for block in blocks:
        try:
            found = ours.decode(block)
        except SessionError as error:
            assert error.code is ErrorCode.COMPRESSION_ERROR  # noqa: PT017
            break
        assert found == oracle.decode(block, raw=True)
        assert list(ours.table.entries) == list(oracle.header_table.dynamic_entries)
        assert ours.table.max_size == oracle.header_table_size


@pytest.mark.parametrize(
    ("block", "detail"),
    [
        (b"\x80", "index 0"),
        (b"\xbe", "beyond the table"),
        (b"\xff\x80\x80\x01", "beyond the table"),
        (b"\x7f\x00\x01a", "beyond the table"),
        (b"\xff\x80\x80\x80\x80\x80\x00", "more than five bytes"),
        (b"\xff", "cut"),
        (b"\x04", "cut"),
        (b"\x04\x02/", "exceeds its header block"),
        (b"\x00\x7f\xff\xff\xff\xff\x0f/", "exceeds its header block"),
        (b"\x04\x81\x18", "padding"),
        (b"\x82\x20", "inside a header block"),
        (size_update(4097), "update to 4097"),
        (size_update(65_536), "update to 65536"),
        (b"\x20" * 3, "twice"),
    ],
)
def test_a_fault_ends_the_connection_and_is_named(block, detail):
    assert detail in rejected(decoder(), block)


def test_a_block_may_begin_with_two_size_updates():
    ours = decoder()
    assert ours.decode(b"\x20" + size_update(4096) + b"\x82") == [(b":method", b"GET")]
    assert ours.table.max_size == 4096


def test_a_larger_offered_table_is_used_after_a_size_update():
    ours = decoder(8192)
    assert ours.table.max_size == 4096
    ours.decode(size_update(8192))
    assert ours.table.max_size == 8192
    assert "8193" in rejected(ours, size_update(8193))


class TestSmallerTable:
    """The peer may use the default size until it has acknowledged a lower one."""

    def test_before_the_acknowledgement_the_default_applies(self):
        ours = decoder(0)
        assert ours.decode(b"\x40\x01a\x01b\xbe") == [(b"a", b"b")] * 2

    def test_after_it_a_block_without_a_size_update_is_rejected(self):
        ours = decoder(0)
        ours.settings_acknowledged()
        assert "no table size update" in rejected(ours, b"\x82")

    def test_after_it_a_larger_size_is_rejected(self):
        ours = decoder(100)
        ours.settings_acknowledged()
        rejected(ours, size_update(101))

    def test_the_update_is_due_once(self):
        ours = decoder(0)
        ours.decode(b"\x40\x01a\x01b")
        ours.settings_acknowledged()
        assert ours.decode(b"\x20\x82") == ours.decode(b"\x82") == [(b":method", b"GET")]
        rejected(ours, b"\xbe")

    def test_an_update_before_the_acknowledgement_suffices(self):
        ours = decoder(0)
        ours.decode(b"\x20")
        ours.settings_acknowledged()
        assert ours.decode(b"\x82") == [(b":method", b"GET")]

    def test_an_equal_or_larger_setting_requires_no_update(self):
        ours = decoder(4096)
        ours.settings_acknowledged()
        assert ours.decode(b"\x82") == [(b":method", b"GET")]


class TestLimit:
    """The size counts 32 bytes for each field, as SETTINGS_MAX_HEADER_LIST_SIZE does."""

    block = b"\x40\x01a" + b"\x7f\x80\x06" + b"x" * 895 + b"\x0f\x2f\x7f\x80\x06" + b"y" * 895

    def test_fields_up_to_the_limit_are_returned(self):
        ours = decoder(limit=2 * (1 + 895 + 32))
        assert len(ours.decode(self.block)) == 2
        assert ours.size == 2 * (1 + 895 + 32)

    def test_larger_fields_are_decoded_but_not_returned(self):
        ours = decoder(limit=2 * (1 + 895 + 32) - 1)
        assert ours.decode(self.block) == []
        assert ours.size == 2 * (1 + 895 + 32)
        assert ours.decode(b"\xbe") == [(b"a", b"x" * 895)]

    def test_many_references_to_a_large_entry_end_the_connection(self):
        ours = decoder(limit=LARGEST)
        ours.decode(self.block)
        rejected(ours, b"\xbe" * 16_000, ErrorCode.ENHANCE_YOUR_CALM)


class TestPath:
    """The place of a literal `:path`, which request heads replace in a template."""

    def place(self, block, ours=None):
        ours = ours or decoder()
        ours.decode(block)
        return ours.path and block[slice(*ours.path)]

    def test_a_literal_without_indexing(self):
        assert self.place(b"\x82\x04\x02/a\x87") == b"\x02/a"
        assert self.place(b"\x82\x14\x02/a\x87") == b"\x02/a"
        assert self.place(b"\x82\x04\x81\x63\x87") == b"\x81\x63"

    def test_an_index_has_no_place(self):
        assert self.place(b"\x82\x84") is None
        assert self.place(b"\x04\x02/a") == b"\x02/a"
        assert self.place(b"\x82") is None

    def test_a_literal_with_indexing_has_a_place_only_if_the_table_cannot_change(self):
        assert self.place(b"\x44\x02/a") is None
        ours = decoder(0)
        assert self.place(b"\x20\x44\x02/a", ours) == b"\x02/a"
        changes = ours.table.changes
        assert self.place(b"\x44\x02/a", ours) == b"\x02/a"
        assert ours.table.changes == changes

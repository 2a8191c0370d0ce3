import hpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pylb.http2 import encoder
from pylb.http2.tables import STATIC

names = st.binary(max_size=20) | st.sampled_from([name for name, _ in STATIC])
values = st.binary(max_size=20) | st.sampled_from([value for _, value in STATIC])


def decoded(block):
    return hpack.Decoder(10**6).decode(block, raw=True)


@given(st.lists(st.tuples(names, values)))
@example(list(STATIC[1:]))
@example([(b"n" * length, b"v" * length) for length in (126, 127, 128, 254, 255, 16_510, 16_511)])
def test_the_oracle_decodes_the_field_that_was_encoded(fields):
    decoder = hpack.Decoder(10**6)
    assert decoder.decode(b"".join(encoder.field(*field) for field in fields), raw=True) == fields
    assert not decoder.header_table.dynamic_entries


@pytest.mark.parametrize(
    ("field", "block"),
    [
        ((b":status", b"200"), b"\x88"),
        ((b":status", b"503"), b"\x08\x03503"),
        ((b"etag", b"x"), b"\x0f\x13\x01x"),
        ((b"x-a", b"b"), b"\x00\x03x-a\x01b"),
        ((b"x-a", b""), b"\x00\x03x-a\x00"),
    ],
)
def test_a_field_is_encoded_without_indexing(field, block):
    assert encoder.field(*field) == block


@pytest.mark.parametrize("name", [b"authorization", b"cookie", b"proxy-authorization", b"set-cookie"])
def test_secrets_are_never_indexed(name):
    (field,) = decoded(encoder.field(name, b"x"))
    assert type(field) is hpack.NeverIndexedHeaderTuple


def test_a_size_update_empties_the_table_of_the_peer():
    decoder = hpack.Decoder()
    decoder.max_allowed_table_size = 0
    with pytest.raises(hpack.InvalidTableSizeError):
        decoder.decode(encoder.field(b"a", b"b"))
    decoder.decode(encoder.EMPTY_TABLE + encoder.field(b"a", b"b"))
    assert decoder.header_table_size == 0


def test_the_stored_names_are_bounded(monkeypatch):
    monkeypatch.setattr(encoder, "_NAMES", names := {})
    monkeypatch.setattr(encoder, "_MAX_NAMES", 10)
    for number in range(25):
        assert decoded(encoder.field(b"x-%d" % number, b"y")) == [(b"x-%d" % number, b"y")]
    assert len(names) == 5

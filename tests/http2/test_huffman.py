import pytest
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.huffman_table import decode_huffman
from hypothesis import example, given
from hypothesis import strategies as st

from pylb.http2 import huffman
from pylb.http2.errors import ErrorCode, SessionError

encode = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH).encode


@given(st.binary(max_size=200))
@example(bytes(range(256)))
def test_the_encoding_of_the_oracle_decodes_to_the_text(text):
    assert huffman.decode(encode(text)) == text
    assert huffman.decode(encode(text)) == text, "from the memo"


@given(st.binary(max_size=30))
@example(b"\xff")
@example(b"\xff\xff\xff\xff")
def test_a_string_decodes_as_by_the_oracle_or_not_at_all(encoded):
    try:
        text = huffman.decode(encoded)
    except SessionError as error:
        assert error.code is ErrorCode.COMPRESSION_ERROR  # noqa: PT017
    else:
        assert text == decode_huffman(encoded)
        assert encode(text) == encoded


@pytest.mark.parametrize(
    ("encoded", "defect"),
    [
        ("ff", "padding"),  # Eight bits of padding.
        ("1fff", "padding"),  # "a", and eleven bits of padding.
        ("18", "padding"),  # "a", and zeros.
        ("1fffffffff", "EOS"),
        ("fffffffc", "EOS"),
    ],
)
def test_an_invalid_string_is_rejected(encoded, defect):
    with pytest.raises(SessionError, match=defect):
        huffman.decode(bytes.fromhex(encoded))


def test_the_memo_is_bounded(monkeypatch):
    monkeypatch.setattr(huffman, "_MEMO", memo := {})
    monkeypatch.setattr(huffman, "_MEMO_SIZE", 10)
    for number in range(25):
        huffman.decode(encode(b"%d" % number))
    huffman.decode(encode(b"long" * 100))
    assert len(memo) == 5

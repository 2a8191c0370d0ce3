"""Heads of responses and trailers from header blocks that hpack has written."""

import hpack
import pytest

from pylb.errors import InvalidResponseError
from pylb.http1.parser import parse_response
from pylb.http2.errors import SessionError, StreamError
from pylb.http2.response_text import ResponseHeads


def encoded(*fields, table=0):
    encoder = hpack.Encoder()
    encoder.header_table_size = table
    return encoder.encode(fields)


def heads(table_size=0):
    return ResponseHeads(table_size, 16_384)


def text(*fields, end_stream=False, bodiless=False):
    head, _ = heads().head(encoded(*fields), end_stream=end_stream, bodiless=bodiless)
    return head


OK = (":status", "200")


def test_a_head_is_text_that_the_parser_reads():
    head = text(OK, ("content-length", "5"), ("x-a", "b"))
    assert head == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-a: b\r\n\r\n"
    assert parse_response(head).length == 5


def test_the_framing_is_that_of_the_stream():
    assert text(OK) == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert text(OK, end_stream=True) == b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    assert text(OK, end_stream=True, bodiless=True) == b"HTTP/1.1 200 OK\r\n\r\n"
    assert text((":status", "204"), end_stream=True) == b"HTTP/1.1 204 No Content\r\n\r\n"
    assert text((":status", "103"), ("link", "x")) == b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
    assert text((":status", "299"), end_stream=True).startswith(b"HTTP/1.1 299 \r\n")


@pytest.mark.parametrize(
    "fields",
    [
        (),
        (("x-a", "b"),),
        (("x-a", "b"), OK),
        (OK, OK),
        (OK, (":path", "/")),
        (OK, ("connection", "close")),
        (OK, ("transfer-encoding", "chunked")),
        (OK, ("te", "trailers")),
        (OK, ("X-Upper", "b")),
        (OK, ("x y", "b")),
        (OK, ("x:y", "b")),
        (OK, ("", "b")),
        (OK, ("x-a", "b\r\nx-c: d")),
        (OK, ("x-a", "b\nx-c: d")),
        ((":status", "200\r\nx-a: b"),),
        ((":status", "101"),),
    ],
)
def test_a_malformed_response_is_refused(fields):
    encoder = hpack.Encoder()
    encoder.header_table_size = 0
    with pytest.raises(InvalidResponseError):
        heads().head(encoder.encode(fields) or b"\x20", end_stream=False, bodiless=False)


@pytest.mark.parametrize("value", [b"a\0b", b"a\x7fb", b"a\x01b"])
def test_a_control_character_is_found_by_the_parser(value):
    with pytest.raises(InvalidResponseError):
        parse_response(text(OK, ("x-a", value)))


@pytest.mark.parametrize("status", [b"20", b"2000", b"abc", b"", b"999", b"000"])
def test_an_invalid_status_is_found_by_the_parser(status):
    with pytest.raises(Exception, match="status"):
        parse_response(text((":status", status)))


def test_an_interim_response_does_not_end_the_stream():
    with pytest.raises(InvalidResponseError):
        text((":status", "103"), end_stream=True)


def test_fields_above_the_limit_are_refused():
    with pytest.raises(InvalidResponseError, match="more than 16384 bytes"):
        text(OK, ("x-a", "b" * 17_000))


def test_equal_blocks_are_translated_once_while_no_table_changes():
    found = heads()
    block = encoded(OK, ("x-a", "b"))
    assert block[0] & 0xE0 == 0x20  # The table size update that begins the first block only.
    found.head(block, end_stream=True, bodiless=False)
    first, _ = found.head(block[1:], end_stream=True, bodiless=False)
    assert found.head(block[1:], end_stream=True, bodiless=False)[0] is first
    assert found.head(block[1:], end_stream=False, bodiless=False)[0] != first


def test_a_block_means_what_the_table_contains_now():
    """A backend that has not yet read the SETTINGS of pylb may use a table."""
    found = ResponseHeads(0, 16_384)
    encoder = hpack.Encoder()
    seen = [
        found.head(encoder.encode([OK, ("x-a", value)]), end_stream=True, bodiless=False)[0]
        for value in ("1", "1", "2", "2", "1")
    ]
    assert [head.split(b"x-a: ")[1][:1] for head in seen] == [b"1", b"1", b"2", b"2", b"1"]


def test_trailers_become_lines():
    lines = heads().trailers(encoded(("grpc-status", "0"), ("grpc-message", "")), 1)
    assert lines == b"grpc-status: 0\r\ngrpc-message: \r\n"


def test_trailers_that_concern_framing_are_dropped():
    assert heads().trailers(encoded(("content-length", "0"), ("x-a", "b")), 1) == b"x-a: b\r\n"


@pytest.mark.parametrize(
    "field", [(":status", "200"), ("X", "y"), ("x", "y\r\nz: 1"), ("connection", "x"), ("x", "\0")]
)
def test_malformed_trailers_end_the_stream(field):
    with pytest.raises(StreamError):
        heads().trailers(encoded(field), 1)


def test_a_block_that_cannot_be_decoded_ends_the_session():
    with pytest.raises(SessionError):
        heads().head(b"\xff\xff", end_stream=True, bodiless=False)


def test_equal_trailers_are_decoded_once_while_no_table_is_filled():
    reader = heads()
    block = b"\x00\x0bgrpc-status\x010"
    first = reader.trailers(block, 1)
    assert first == b"grpc-status: 0\r\n"
    assert reader.trailers(block, 3) is first


def test_a_filled_table_forgets_trailers():
    reader = heads(4096)
    indexed = b"\xbe"  # The newest entry of the table.
    for value in (b"1", b"2"):
        assert reader.trailers(b"\x40\x01a\x01%b" % value, 1) == b"a: %b\r\n" % value
        assert reader.trailers(indexed, 3) == b"a: %b\r\n" % value

import sys

import pytest

from pylb.errors import ProxyError
from pylb.http1.bad_request import bad_request, bad_response
from pylb.http1.body import Chunked, Sized, UntilClose, chunk, last_chunk
from pylb.http1.limits import (
    FRAMING_PER_BYTE,
    FRAMING_PER_CHUNK,
    MAX_CHUNK_LINE,
    MAX_FRAMING_EXCESS,
    MAX_TRAILERS,
)
from tests.every import every

READ = 64 * 1024


def test_a_length_of_zero_is_done_immediately():
    assert Sized(0).done


def test_a_sized_body_ends_inside_a_read():
    body = Sized(5)
    assert (body.feed(b"he"), body.done) == (b"he", False)
    assert (body.feed(b"llo, next"), body.done, body.rest) == (b"llo", True, b", next")


def test_a_sized_body_ends_at_the_end_of_a_read():
    body = Sized(5)
    assert (body.feed(b"hello"), body.done, body.rest) == (b"hello", True, b"")


def test_a_body_until_close_ends_with_the_connection():
    body = UntilClose()
    assert (body.feed(b"hello"), body.done, body.rest) == (b"hello", False, b"")


def test_the_inside_of_a_chunk_is_not_copied():
    body = Chunked(bad_request)
    assert body.feed(b"%x\r\nab" % (3 * READ)) == b"ab"
    inside = bytes(READ)
    assert body.feed(inside) is inside


def test_a_chunk_ends_at_the_end_of_a_read():
    body = Chunked(bad_request)
    assert body.feed(b"5\r\nhello") == b"hello"
    assert not body.done
    assert body.feed(b"\r\n0\r\n\r\n") == b""
    assert body.done


def test_invalid_chunks_raise_the_given_error():
    for error, status in ((bad_request, 400), (bad_response, 502)):
        with pytest.raises(ProxyError) as caught:
            Chunked(error).feed(b"x")
        assert caught.value.status == status
        assert caught.value.detail == (
            f"'x' in a chunked body, expected hexadecimal digits and CRLF, at most {MAX_CHUNK_LINE} bytes"
        )


def accepts(data):
    try:
        Chunked(bad_request).feed(data)
    except ProxyError:
        return False
    return True


def test_the_length_of_a_chunk_line_is_limited():
    room = MAX_CHUNK_LINE - len(b"1;\r\n")
    assert accepts(b"1;" + b"x" * room + b"\r\nh")
    assert not accepts(b"1;" + b"x" * (room + 1) + b"\r\nh")


@pytest.mark.parametrize("error", [bad_request, bad_response])
def test_the_excess_of_framing_is_limited(error):
    """A sender may stream byte by byte, or put an extension before a payload of its size; not 50 times it."""
    Chunked(error).feed(b"1\r\nh\r\n" * MAX_FRAMING_EXCESS)
    Chunked(error).feed((b"64;" + b"x" * 100 + b"\r\n" + b"h" * 100 + b"\r\n") * 1000)
    each = b"1;" + b"x" * 99 + b"\r\nh\r\n"
    excess = len(each) - 1 - FRAMING_PER_CHUNK - FRAMING_PER_BYTE
    most = MAX_FRAMING_EXCESS // excess
    Chunked(error).feed(each * most)
    with pytest.raises(ProxyError, match="more of framing"):
        Chunked(error).feed(each * (most + 2))
    zeros = b"000000000000001\r\nh\r\n"
    with pytest.raises(ProxyError, match="more of framing"):
        Chunked(error).feed(zeros * (MAX_FRAMING_EXCESS + 2))


def test_payload_compensates_for_framing():
    each = b"1;" + b"x" * 99 + b"\r\nh\r\n"
    most = MAX_FRAMING_EXCESS // (len(each) - 1 - FRAMING_PER_CHUNK - FRAMING_PER_BYTE)
    decoder = Chunked(bad_request)
    for _ in range(3):
        decoder.feed(each * most + chunk(bytes(MAX_FRAMING_EXCESS)))


@every("most", [1, 2, 7])
@every("size", [1, 3, 1000])
def test_chunk_by_chunk_decoding_gives_the_same_result(most, size):
    sent = b"".join(chunk(b"x" * (n % 5 + 1)) for n in range(50)) + last_chunk(b"X-Sum: 1\r\n") + b"next"
    decoder, payload, calls = Chunked(bad_request), b"", 0
    parts = [sent[at : at + size] for at in range(0, len(sent), size)]
    while not decoder.done:
        calls += 1
        payload += decoder.feed(b"" if decoder.pending else parts.pop(0), most)
    assert payload == b"".join(b"x" * (n % 5 + 1) for n in range(50))
    assert decoder.trailers == b"X-Sum: 1\r\n"
    assert decoder.rest + b"".join(parts) == b"next"
    assert calls >= 51 // most
    assert not decoder.pending


def test_data_that_arrives_while_pending_is_appended():
    decoder = Chunked(bad_request)
    assert decoder.feed(chunk(b"a") + chunk(b"b") + chunk(b"c"), 1) == b"a"
    assert decoder.pending
    assert decoder.feed(chunk(b"d") + b"1\r", 2) == b"bc"
    assert decoder.pending
    assert decoder.feed(b"\ne") == b"de"
    assert not decoder.pending


def test_trailers_are_limited():
    room = MAX_TRAILERS - len(b"X: \r\n\r\n")
    assert accepts(b"0\r\nX: " + b"x" * room + b"\r\n\r\n")
    assert not accepts(b"0\r\nX: " + b"x" * (room + 1) + b"\r\n\r\n")
    assert not accepts(b"0\r\nX: " + b"x" * MAX_TRAILERS)


def lines_run(action):
    """Return the number of Python lines that an action executes, which is the same on every machine."""
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return count


def retained(decoder):
    """Return the number of bytes that a decoder stores."""
    return len(decoder._partial)


@pytest.mark.parametrize("payload", [b"x", b"x" * 100])
def test_tiny_chunks_take_linear_time(payload):
    def cost(count):
        decoder = Chunked(bad_request)
        return lines_run(lambda: decoder.feed(chunk(payload) * count))

    assert cost(4000) - cost(2000) == 2 * (cost(2000) - cost(1000))


def test_only_partial_framing_is_stored():
    decoder = Chunked(bad_request)
    most = 0
    for byte in b"5;a=b\r\nhello\r\n" * 50 + b"0\r\nX: " + b"y" * 200 + b"\r\n\r\n":
        decoder.feed(bytes([byte]))
        most = max(most, retained(decoder))
    assert decoder.done
    assert most == len(b"X: ") + 200 + len(b"\r\n\r")


def test_encoded_chunks_are_decoded():
    decoder = Chunked(bad_request)
    sent = chunk(b"hello") + chunk(b"x" * 300) + last_chunk(b"X-Sum: 1\r\n")
    assert decoder.feed(sent + b"next") == b"hello" + b"x" * 300
    assert (decoder.trailers, decoder.rest) == (b"X-Sum: 1\r\n", b"next")

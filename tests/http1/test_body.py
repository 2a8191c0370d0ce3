import sys

import pytest

from pylb.errors import ProxyError
from pylb.http1.bad_request import bad_request, bad_response
from pylb.http1.body import Chunked, Sized, UntilClose, chunk, last_chunk
from pylb.http1.limits import MAX_CHUNK_EXTENSIONS, MAX_CHUNK_LINE, MAX_TRAILERS

READ = 64 * 1024


def test_a_length_of_nothing_is_done_at_once():
    assert Sized(0).done


def test_a_length_ends_inside_what_is_read():
    body = Sized(5)
    assert (body.feed(b"he"), body.done) == (b"he", False)
    assert (body.feed(b"llo, next"), body.done, body.rest) == (b"llo", True, b", next")


def test_a_length_ends_where_what_is_read_ends():
    body = Sized(5)
    assert (body.feed(b"hello"), body.done, body.rest) == (b"hello", True, b"")


def test_only_the_connection_ends_what_has_no_end():
    body = UntilClose()
    assert (body.feed(b"hello"), body.done, body.rest) == (b"hello", False, b"")


def test_the_inside_of_a_chunk_is_passed_on_without_a_copy():
    body = Chunked(bad_request)
    assert body.feed(b"%x\r\nab" % (3 * READ)) == b"ab"
    inside = bytes(READ)
    assert body.feed(inside) is inside


def test_a_chunk_that_ends_where_what_is_read_ends():
    body = Chunked(bad_request)
    assert body.feed(b"5\r\nhello") == b"hello"
    assert not body.done
    assert body.feed(b"\r\n0\r\n\r\n") == b""
    assert body.done


def test_whose_fault_broken_chunks_are():
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


def test_extensions_are_limited_for_each_chunk_and_in_all():
    room = MAX_CHUNK_LINE - len(b"1;\r\n")
    assert accepts(b"1;" + b"x" * room + b"\r\nh")
    assert not accepts(b"1;" + b"x" * (room + 1) + b"\r\nh")
    each = b"1;" + b"x" * 99 + b"\r\nh\r\n"
    most = MAX_CHUNK_EXTENSIONS // 100
    assert accepts(each * most)
    assert not accepts(each * (most + 1))


def test_trailers_are_limited():
    room = MAX_TRAILERS - len(b"X: \r\n\r\n")
    assert accepts(b"0\r\nX: " + b"x" * room + b"\r\n\r\n")
    assert not accepts(b"0\r\nX: " + b"x" * (room + 1) + b"\r\n\r\n")
    assert not accepts(b"0\r\nX: " + b"x" * MAX_TRAILERS)


def lines_run(action):
    """How many lines of Python an action runs; unlike its time, the same on every machine."""
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
    """How many bytes a decoder keeps until more arrive."""
    return len(decoder._begun)


@pytest.mark.parametrize("payload", [b"x", b"x" * 100])
def test_tiny_chunks_cost_in_proportion(payload):
    def cost(count):
        decoder = Chunked(bad_request)
        return lines_run(lambda: decoder.feed(chunk(payload) * count))

    assert cost(4000) - cost(2000) == 2 * (cost(2000) - cost(1000))


def test_nothing_is_kept_but_the_beginning_of_a_piece_of_framing():
    decoder = Chunked(bad_request)
    most = 0
    for byte in b"5;a=b\r\nhello\r\n" * 50 + b"0\r\nX: " + b"y" * 200 + b"\r\n\r\n":
        decoder.feed(bytes([byte]))
        most = max(most, retained(decoder))
    assert decoder.done
    assert most == len(b"X: ") + 200 + len(b"\r\n\r")


def test_what_is_sent_in_chunks_is_read_back():
    decoder = Chunked(bad_request)
    sent = chunk(b"hello") + chunk(b"x" * 300) + last_chunk(b"X-Sum: 1\r\n")
    assert decoder.feed(sent + b"next") == b"hello" + b"x" * 300
    assert (decoder.trailers, decoder.rest) == (b"X-Sum: 1\r\n", b"next")

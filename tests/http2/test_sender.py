import h2.events
import pytest

from pylb.http2 import encoder, frames
from pylb.http2.errors import ErrorCode
from pylb.http2.sender import GROWTH_BUDGET, LARGEST_WINDOW
from tests.http2.peers import OK, Peers

WINDOW = 65_536


def uploading(number=1, **options):
    """Two peers, and the server's side of an upload."""
    peers = Peers(eager=False, **options)
    return peers, peers.get(number, end_stream=False)


def test_a_small_body_is_in_the_same_output_as_its_head():
    peers = Peers()
    stream = peers.get()
    peers.server.take()
    peers.server.send_head(stream, OK, b"hello", end_stream=True)
    assert peers.server.take() == frames.headers(1, OK, end_stream=False) + frames.data(
        1, b"hello", end_stream=True
    )
    assert stream.ended


@pytest.mark.parametrize("body", [b"", b"hello", bytes(30_000)])
def test_trailers_end_the_stream_after_the_body(body):
    peers = Peers()
    stream = peers.get()
    peers.server.send_head(stream, OK, body, encoder.field(b"x-sum", b"1"), end_stream=True)
    peers.exchange()
    assert peers.body(1) == body
    assert [event.headers for event in peers.events if isinstance(event, h2.events.TrailersReceived)] == [
        [(b"x-sum", b"1")]
    ]
    assert stream.ended


@pytest.mark.parametrize("size", [65_536, 16_385])
def test_a_body_beyond_a_window_or_a_frame_is_queued(size):
    peers = Peers()
    stream = peers.get()
    peers.server.send_head(stream, OK, bytes(size), end_stream=True)
    assert stream.size == size
    peers.exchange()
    if not stream.complete:
        peers.client.increment_flow_control_window(WINDOW)
        peers.client.increment_flow_control_window(WINDOW, 1)
        peers.exchange()
    assert peers.body(1) == bytes(size)
    assert stream.complete


def test_fill_stops_after_the_room_that_it_has():
    peers = Peers()
    stream = peers.get()
    peers.server.send_head(stream, OK, end_stream=False)
    peers.server.send(stream, bytes(60_000))
    peers.server.take()
    peers.server.fill(20_000)
    assert len(peers.server.take()) == 2 * (16_384 + 9)
    assert peers.server.has_work
    peers.server.fill(60_000)
    peers.server.take()
    assert not peers.server.has_work


def test_credit_is_given_for_half_a_window():
    peers, stream = uploading()
    peers.server.consumed(stream, WINDOW // 2 - 1)
    assert peers.server.take() == b""
    peers.server.consumed(stream, 1)
    assert peers.server.take() == frames.window_update(1, WINDOW // 2 + WINDOW)
    assert (stream.owed, stream.window_size) == (0, 2 * WINDOW)


def test_no_credit_is_given_to_a_stream_that_has_ended():
    peers, stream = uploading()
    stream.remote_ended = True
    peers.server.consumed(stream, WINDOW)
    assert peers.server.take() == b""


def test_windows_grow_up_to_a_size_and_together_up_to_a_budget():
    peers, stream = uploading()
    streams = [stream, *(peers.get(number, end_stream=False) for number in (3, 5, 7))]
    for each in streams:
        for _ in range(10):
            peers.server.consumed(each, each.window_size)
    sizes = [each.window_size for each in streams]
    assert sizes[:2] == [LARGEST_WINDOW, LARGEST_WINDOW]
    assert sum(sizes) - len(sizes) * WINDOW <= GROWTH_BUDGET
    peers.server.reset(stream, ErrorCode.CANCEL)
    last = streams[-1]
    while last.window_size < LARGEST_WINDOW:
        before = last.window_size
        peers.server.consumed(last, last.window_size)
        assert last.window_size > before


def test_the_frames_of_trailers_follow_the_body():
    peers = Peers()
    stream = peers.get()
    peers.server.send_head(stream, OK, end_stream=False)
    peers.server.send(stream, b"body")
    peers.server.end(stream, b"\0\x05x-sum\x011")
    peers.server.end(stream)
    peers.server.take()
    peers.server.fill(100)
    assert peers.server.take() == frames.data(1, b"body", end_stream=False) + frames.headers(
        1, b"\0\x05x-sum\x011", end_stream=True
    )


def test_the_reset_of_a_closed_stream_sends_nothing():
    peers = Peers()
    stream = peers.get()
    peers.server.send_head(stream, OK, end_stream=True)
    peers.server.take()
    peers.server.reset(stream, ErrorCode.CANCEL)
    assert peers.server.take() == b""

"""The work that a client may cause: how much of it at once, and which frames cost the client its budget."""

import pytest

from pylb.http2 import frames
from pylb.http2.errors import ErrorCode, SessionError
from pylb.http2.guard import WORK_AT_ONCE
from tests.http2.peers import OK, Peers

GET_BLOCK = b"\x82\x86\x84\x41\x01a"
"""The header block of `GET /` for the host `a`."""


def test_a_bad_frame_on_a_stream_that_was_never_opened_ends_the_connection():
    """A reset of such a stream would be a fault of pylb (RFC 9113 section 6.4)."""
    peers = Peers()
    peers.exchange()
    with pytest.raises(SessionError) as caught:
        peers.raw(frames.PRIORITY, 0, 9, b"1234")
    assert caught.value.code is ErrorCode.FRAME_SIZE_ERROR


def test_frames_beyond_the_work_of_one_call_wait_for_the_next():
    peers = Peers()
    peers.exchange()
    peers.server.receive(frames.ping(b"12345678", ack=False) * (WORK_AT_ONCE + 1))
    assert peers.server.has_more
    assert peers.server.take().count(b"12345678") == WORK_AT_ONCE
    peers.server.receive(b"")
    assert not peers.server.has_more
    assert peers.server.take().count(b"12345678") == 1


def test_the_work_of_one_call_opens_few_streams():
    peers = Peers(max_streams=1000)
    peers.exchange()
    data = b"".join(frames.headers(number, GET_BLOCK, end_stream=True) for number in range(1, 401, 2))
    peers.server.receive(data)
    assert peers.server.has_more
    assert len(peers.opened) <= WORK_AT_ONCE / 5 + 1
    peers.send(b"")
    assert len(peers.opened) == 200


@pytest.mark.parametrize("pings", range(8))
def test_a_call_does_not_end_between_a_head_and_its_reset(pings):
    """Otherwise the request is served in between, and a flood of them costs what as many requests cost."""
    peers = Peers(max_streams=1000)
    peers.exchange()
    ping = frames.ping(b"12345678", ack=False)
    peers.server.receive(
        ping * pings
        + b"".join(
            frames.headers(number, GET_BLOCK, end_stream=True) + frames.rst_stream(number, ErrorCode.CANCEL)
            for number in range(1, 401, 2)
        )
    )
    assert peers.server.has_more
    assert peers.opened
    while peers.server.has_more:
        assert all(stream.ended for stream in peers.opened)
        peers.server.receive(b"")
    assert len(peers.opened) == 200


def test_a_long_header_block_takes_the_work_of_a_call():
    peers = Peers()
    peers.exchange()
    long = GET_BLOCK + b"\0\x05x-pad\x7f\x81\x7d" + b"x" * 16_128
    peers.server.receive(frames.headers(1, long, end_stream=True) + frames.ping(b"12345678", ack=False))
    assert peers.server.has_more
    assert peers.server.take() == b""


def test_pings_are_free_while_data_is_sent():
    """A gRPC client in Go measures the round trip with one PING for each, as long as it receives DATA."""
    peers = Peers()
    stream = peers.get()
    peers.server.send_head(stream, OK, end_stream=False)
    before = peers.server.guard.oddities
    for _ in range(10):
        peers.server.send(stream, b"message")
        peers.exchange()
        peers.raw(frames.PING, 0, 0, b"12345678")
    assert peers.server.guard.oddities == before
    peers.raw(frames.PING, frames.ACK, 0, b"12345678")
    assert peers.server.guard.oddities == before - 1


def test_windows_of_one_byte_cost_the_client_its_budget():
    peers = Peers()
    stream = peers.get()
    peers.server.send_head(stream, OK, end_stream=False)
    peers.send(frames.settings({frames.INITIAL_WINDOW_SIZE: 0}))
    peers.server.send(stream, bytes(30_000))

    def step_by_step():
        while stream.size:
            peers.send(frames.window_update(1, 1))
            peers.server.fill(1000)
            peers.server.take()

    with pytest.raises(SessionError) as caught:
        step_by_step()
    assert caught.value.code is ErrorCode.ENHANCE_YOUR_CALM

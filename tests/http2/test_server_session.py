import pytest

from pylb.errors import ProxyError
from pylb.http2 import frames
from pylb.http2.errors import ErrorCode, SessionError
from pylb.http2.guard import RESETS
from pylb.http2.server_session import DRAIN
from tests.http2.peers import GET, OK, Peers

BLOCK = b"\x82\x86\x84\x41\x01a"
LAST = 2**31 - 1


def test_its_settings_are_its_preface():
    peers = Peers(max_streams=7, window=70_000)
    peers.exchange()
    settings = peers.client.remote_settings
    assert settings.max_concurrent_streams == 7
    assert settings.initial_window_size == 70_000
    assert settings.enable_connect_protocol
    assert peers.client.outbound_flow_control_window == LAST


def test_it_is_settled_by_the_first_settings_of_the_client():
    peers = Peers()
    data = peers.client.data_to_send()
    peers.send(data[:24])
    assert not peers.server.settled
    peers.send(data[24:])
    assert peers.server.settled


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nXX"])
def test_another_preface_is_refused(data):
    with pytest.raises(SessionError) as caught:
        Peers().send(data)
    assert caught.value.code is ErrorCode.PROTOCOL_ERROR


def test_the_first_frame_must_be_settings():
    with pytest.raises(SessionError):
        Peers().send(frames.PREFACE + frames.ping(b"12345678", ack=False))
    with pytest.raises(SessionError):
        Peers().send(frames.PREFACE + frames.SETTINGS_ACK)


def test_a_refused_head_opens_a_stream_with_its_reason():
    peers = Peers()
    peers.client.send_headers(1, [*GET[:3], (":path", "relative")], end_stream=True)
    peers.exchange()
    (stream,) = peers.opened
    assert isinstance(stream.head, ProxyError)
    assert stream.head.status == 400


def test_a_reset_stream_counts_until_its_exchange_has_ended():
    """Else a client could have any number of requests in progress (CVE-2023-44487)."""
    peers = Peers(max_streams=1)
    stream = peers.get()
    peers.raw(frames.RST_STREAM, 0, 1, bytes(4))
    peers.send(frames.headers(3, BLOCK, end_stream=True))
    assert peers.opened == [stream]
    assert frames.rst_stream(3, ErrorCode.REFUSED_STREAM) in peers.server.take()
    peers.server.finish(stream, ErrorCode.NO_ERROR)
    peers.send(frames.headers(5, BLOCK, end_stream=True))
    assert [each.number for each in peers.opened] == [1, 5]


def test_premature_resets_are_refused_and_then_end_the_connection():
    peers = Peers(max_streams=10_000)
    peers.exchange()

    def attack():
        for number in range(1, 10_000, 2):
            peers.send(frames.headers(number, BLOCK, end_stream=True) + frames.rst_stream(number, 8))

    with pytest.raises(SessionError) as caught:
        attack()
    assert caught.value.code is ErrorCode.ENHANCE_YOUR_CALM
    assert len(peers.opened) == RESETS


@pytest.mark.parametrize("late", [True, False])
def test_only_a_reset_before_the_response_and_within_a_second_is_premature(late):
    peers = Peers()
    before = peers.server.guard.resets
    stream = peers.get()
    if late:
        peers.server.now += 1.5
    else:
        stream.started = True
    peers.raw(frames.RST_STREAM, 0, 1, bytes(4))
    assert peers.server.guard.resets == before


def test_the_end_of_an_exchange_resets_what_is_open_of_its_stream():
    peers = Peers()
    stream = peers.get(end_stream=False)
    peers.server.send_head(stream, OK, end_stream=True)
    peers.server.take()
    peers.server.finish(stream, ErrorCode.NO_ERROR)
    assert peers.server.take() == frames.rst_stream(1, ErrorCode.NO_ERROR)
    assert peers.server.active == 0


def test_streams_after_the_last_are_ignored_but_their_heads_decoded():
    peers = Peers()
    peers.get()
    peers.server.refuse_more()
    peers.server.refuse_more()
    assert peers.server.take() == frames.goaway(1, ErrorCode.NO_ERROR)
    peers.send(frames.headers(3, BLOCK, end_stream=False))
    peers.raw(frames.DATA, 1, 3, b"ignored")
    assert len(peers.opened) == 1
    assert peers.server.take() == b""
    with pytest.raises(SessionError):
        peers.send(frames.headers(5, b"\xff\xff\xff\xff\x0f", end_stream=True))


def test_another_ping_is_not_the_acknowledgement_of_a_drain():
    peers = Peers()
    announced = []
    peers.send(peers.client.data_to_send() + frames.ping(DRAIN, ack=True))
    peers.server.announce_drain(lambda: announced.append(1))
    peers.send(frames.ping(b"12345678", ack=True))
    assert announced == []
    peers.send(frames.ping(DRAIN, ack=True))
    assert announced == [1]

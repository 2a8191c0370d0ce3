from pylb.http2.errors import ErrorCode
from pylb.http2.stream import HIGH_MARK, LOW_MARK, Stream
from tests.http2.peers import OK, Peers


def test_a_stream_begins_open_in_both_directions():
    stream = Stream(1, 1000, 2000)
    assert (stream.ended, stream.remote_ended, stream.ending) == (False, False, False)
    assert (stream.send_window, stream.window, stream.window_size) == (1000, 2000, 2000)
    stream.too_full()
    stream.has_room()
    stream.sent_all()


def test_its_producer_is_paused_once_above_the_high_mark_and_continues_below_the_low_mark():
    peers = Peers()
    stream = peers.get()
    peers.server.send_head(stream, OK, end_stream=False)
    resumed = []
    stream.has_room = lambda: resumed.append(stream.size)
    peers.server.send(stream, bytes(HIGH_MARK))
    assert stream.pauses == 0
    peers.server.send(stream, b"x")
    peers.server.send(stream, b"x")
    assert stream.pauses == 1
    while stream.size > LOW_MARK:
        assert resumed == []
        peers.server.fill(1)
    assert resumed == [stream.size]


def test_a_stream_is_closed_when_both_sides_have_ended():
    peers = Peers()
    stream = peers.get(end_stream=False)
    peers.server.send_head(stream, OK, end_stream=True)
    assert stream.ended
    assert peers.server.streams == {1: stream}
    peers.client.send_data(1, b"", end_stream=True)
    peers.exchange()
    assert stream.remote_ended
    assert peers.server.streams == {}


def test_a_reset_drops_what_is_not_framed():
    peers = Peers()
    stream = peers.get()
    peers.server.send_head(stream, OK, end_stream=False)
    peers.server.send(stream, bytes(100))
    peers.server.reset(stream, ErrorCode.CANCEL)
    assert (stream.size, stream.unsent) == (0, None)
    peers.server.send(stream, b"more")
    peers.server.end(stream)
    peers.exchange()
    assert peers.body(1) == b""

"""A session against hyper's h2, which checks every frame; and frames that no honest client sends."""

from __future__ import annotations

import h2.events
import h2.settings
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.http2 import frames
from pylb.http2.errors import ErrorCode, SessionError
from pylb.http2.guard import ODDITIES
from pylb.http2.server_session import DRAIN
from pylb.http2.session import FREE_PRIORITIES, MAX_CONTINUATIONS, MAX_EMPTY
from pylb.http2.stream import HIGH_MARK
from tests.http2.peers import GET, OK, POST, Peers

WINDOW = b"\0\0\0\x01"


def seen(events, kind):
    return [event for event in events if isinstance(event, kind)]


def test_a_request_is_answered():
    peers = Peers()
    stream = peers.get()
    assert stream.head.startswith(b"GET / HTTP/1.1\r\nHost: shop.example\r\n")
    peers.server.send_head(stream, OK, b"hello", end_stream=True)
    events = peers.exchange()
    assert seen(events, h2.events.ResponseReceived)[0].headers[0] == (b":status", b"200")
    assert peers.body(1) == b"hello"
    assert seen(events, h2.events.StreamEnded)
    assert not peers.server.streams


def test_a_request_with_a_body_and_trailers_is_received():
    peers = Peers()
    stream = peers.get(end_stream=False)
    peers.client.send_data(1, b"one", pad_length=7)
    peers.client.send_data(1, b"two")
    peers.client.send_headers(1, [("x-sum", "6")], end_stream=True)
    peers.exchange()
    assert stream.body == b"onetwo"
    assert stream.trailer_lines == b"x-sum: 6\r\n"
    assert stream.remote_ended


def test_a_response_has_trailers():
    peers = Peers()
    stream = peers.get()
    peers.server.send_head(stream, OK, end_stream=False)
    peers.server.send(stream, b"body")
    peers.server.end(stream, b"\0\x05x-sum\x011")
    events = peers.exchange()
    assert peers.body(1) == b"body"
    assert seen(events, h2.events.TrailersReceived)[0].headers == [(b"x-sum", b"1")]
    assert stream.complete


def test_a_head_longer_than_a_frame_is_continued():
    peers = Peers()
    stream = peers.get()
    block = OK + b"\0\x05x-pad\x7f" + b"\xc1\xba\x01" + b"x" * 24_000
    peers.server.send_head(stream, block, end_stream=True)
    head = seen(peers.exchange(), h2.events.ResponseReceived)[0]
    assert len(head.headers[1][1]) == 24_000


def test_an_upload_larger_than_the_window_moves_while_it_is_consumed():
    peers = Peers()
    stream = peers.get(end_stream=False)
    body = bytes(range(256)) * 4096
    rest = body
    while rest:
        size = min(peers.client.local_flow_control_window(1), peers.client.max_outbound_frame_size, len(rest))
        assert size > 0
        peers.client.send_data(1, rest[:size], end_stream=size == len(rest))
        rest = rest[size:]
        peers.exchange()
    assert stream.body == body


def test_a_body_that_nobody_reads_is_bounded_by_the_window_of_its_stream():
    peers = Peers(eager=False)
    peers.get(end_stream=False)
    peers.exchange()
    sent = 0
    while (room := peers.client.local_flow_control_window(1)) > 0:
        size = min(room, peers.client.max_outbound_frame_size)
        peers.client.send_data(1, b"x" * size)
        peers.exchange()
        sent += size
    assert sent == 65_536
    other = peers.get(3, end_stream=False)
    peers.client.send_data(3, b"another stream is not delayed")
    peers.exchange()
    assert other.body == b"another stream is not delayed"


def test_a_download_waits_for_the_windows_and_pauses_its_producer():
    peers = Peers()
    stream = peers.get()
    peers.server.send_head(stream, OK, end_stream=False)
    body = b"y" * 300_000
    peers.server.send(stream, body)
    assert stream.pauses == 1
    peers.server.end(stream)
    peers.exchange()
    assert len(peers.body(1)) == 65_535
    while not stream.ended:
        received = len(peers.body(1))
        peers.client.increment_flow_control_window(HIGH_MARK)
        peers.client.increment_flow_control_window(HIGH_MARK, 1)
        peers.exchange()
        assert len(peers.body(1)) > received
    assert peers.body(1) == body


def test_ready_streams_take_turns():
    peers = Peers()
    streams = [peers.get(number) for number in (1, 3)]
    for stream in streams:
        peers.server.send_head(stream, OK, end_stream=False)
        peers.server.send(stream, b"z" * 32_768)
    events = seen(peers.exchange(), h2.events.DataReceived)
    assert [event.stream_id for event in events] == [1, 3, 1, 3]


def test_a_smaller_initial_window_of_the_client_may_make_windows_negative():
    peers = Peers()
    stream = peers.get()
    peers.server.send_head(stream, OK, b"a" * 1000, end_stream=False)
    peers.exchange()
    peers.client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 500})
    peers.exchange()
    assert stream.send_window == -500
    peers.server.send(stream, b"b")
    peers.exchange()
    assert peers.body(1) == b"a" * 1000
    peers.client.increment_flow_control_window(501, 1)
    peers.exchange()
    assert peers.body(1) == b"a" * 1000 + b"b"


def test_a_client_that_lowers_its_table_gets_an_update_before_the_next_head():
    peers = Peers()
    peers.client.update_settings({h2.settings.SettingCodes.HEADER_TABLE_SIZE: 0})
    for number in (1, 3):
        stream = peers.get(number)
        peers.server.send_head(stream, OK, end_stream=True)
        assert seen(peers.exchange(), h2.events.ResponseReceived)


def test_a_stream_that_the_client_resets_is_over():
    peers = Peers()
    stream = peers.get()
    peers.client.reset_stream(1, error_code=ErrorCode.CANCEL)
    peers.exchange()
    assert stream.reset == ErrorCode.CANCEL
    assert not peers.server.streams
    assert peers.server.active == 1
    peers.server.finish(stream, ErrorCode.NO_ERROR)
    assert peers.server.active == 0


def test_a_stream_above_the_limit_is_refused_and_the_table_stays_true():
    peers = Peers(max_streams=1)
    peers.get()
    peers.client.remote_settings[h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS] = 100
    peers.client.remote_settings.acknowledge()
    peers.client.send_headers(3, [*GET, ("x-new", "entry")], end_stream=True)
    refused = seen(peers.exchange(), h2.events.StreamReset)
    assert [(event.stream_id, event.error_code) for event in refused] == [(3, ErrorCode.REFUSED_STREAM)]
    peers.server.finish(peers.opened[0], ErrorCode.NO_ERROR)
    peers.client.send_headers(5, [*GET, ("x-new", "entry")], end_stream=True)
    peers.exchange()
    assert b"x-new: entry\r\n" in peers.opened[-1].head


def test_a_drain_serves_what_crosses_its_announcement():
    peers = Peers()
    peers.get()
    announced = []
    peers.client.send_headers(3, GET, end_stream=True)
    crossing = peers.client.data_to_send()
    peers.server.announce_drain(lambda: announced.append(True))
    assert peers.taken() == frames.goaway(2**31 - 1, ErrorCode.NO_ERROR) + frames.ping(DRAIN, ack=False)
    peers.send(crossing)
    assert peers.opened[-1].number == 3
    peers.send(frames.ping(DRAIN, ack=True))
    assert announced == [True]
    peers.server.refuse_more()
    assert frames.goaway(3, ErrorCode.NO_ERROR) in peers.taken()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 60_000)), max_size=30), st.integers(1, 200_000))
def test_every_byte_arrives_on_its_stream_in_order(pieces, room):
    peers = Peers()
    streams = [peers.get(number) for number in (1, 3, 5, 7)]
    expected = {stream.number: b"" for stream in streams}
    for stream in streams:
        peers.server.send_head(stream, OK, end_stream=False)
    for count, (which, size) in enumerate(pieces):
        stream, data = streams[which], bytes([count]) * size
        expected[stream.number] += data
        peers.server.send(stream, data)
        peers.server.fill(room)
    for stream in streams:
        peers.server.end(stream)
    while not all(stream.ended for stream in streams):
        peers.exchange()
        for stream in streams:
            if not stream.ended:
                peers.client.increment_flow_control_window(50_000, stream.number)
        peers.client.increment_flow_control_window(100_000)
    peers.exchange()
    assert {stream.number: peers.body(stream.number) for stream in streams} == expected


@given(st.data())
def test_frames_may_be_cut_anywhere(data):
    peers = Peers()
    peers.client.send_headers(1, POST)
    peers.client.send_data(1, b"body" * 100, end_stream=True)
    everything = peers.client.data_to_send()
    while everything:
        size = data.draw(st.integers(1, len(everything)))
        peers.send(everything[:size])
        everything = everything[size:]
    assert peers.opened[0].body == b"body" * 100


SESSION_FAULTS = {
    "a frame above the limit": (b"\x00\x40\x01\x00\x00\x00\x00\x00\x01", ErrorCode.FRAME_SIZE_ERROR),
    "DATA without a stream": (frames.frame(frames.DATA, 0, 0, b"x"), ErrorCode.PROTOCOL_ERROR),
    "DATA on a stream never opened": (frames.frame(frames.DATA, 0, 9, b"x"), ErrorCode.PROTOCOL_ERROR),
    "more padding than bytes": (
        frames.frame(frames.DATA, frames.PADDED, 1, b"\x05abc"),
        ErrorCode.PROTOCOL_ERROR,
    ),
    "HEADERS without a stream": (frames.frame(frames.HEADERS, 5, 0, OK), ErrorCode.PROTOCOL_ERROR),
    "HEADERS on a server's stream": (frames.frame(frames.HEADERS, 5, 2, OK), ErrorCode.PROTOCOL_ERROR),
    "HEADERS too short": (frames.frame(frames.HEADERS, 0x25, 3, b"abc"), ErrorCode.FRAME_SIZE_ERROR),
    "a broken header block": (frames.frame(frames.HEADERS, 5, 3, b"\x80"), ErrorCode.COMPRESSION_ERROR),
    "something inside a header block": (
        frames.frame(frames.HEADERS, 1, 3, OK) + frames.ping(b"12345678", ack=False),
        ErrorCode.PROTOCOL_ERROR,
    ),
    "CONTINUATION of another stream": (
        frames.frame(frames.HEADERS, 1, 3, OK) + frames.frame(frames.CONTINUATION, 4, 5, b""),
        ErrorCode.PROTOCOL_ERROR,
    ),
    "CONTINUATION alone": (frames.frame(frames.CONTINUATION, 4, 1, b""), ErrorCode.PROTOCOL_ERROR),
    "too many CONTINUATIONs": (
        frames.frame(frames.HEADERS, 1, 3, OK)
        + frames.frame(frames.CONTINUATION, 0, 3, b"") * (MAX_CONTINUATIONS + 1),
        ErrorCode.ENHANCE_YOUR_CALM,
    ),
    "too large a header block": (
        frames.frame(frames.HEADERS, 1, 3, b"x" * 16_000)
        + frames.frame(frames.CONTINUATION, 0, 3, b"x" * 16_000) * 3,
        ErrorCode.ENHANCE_YOUR_CALM,
    ),
    "PRIORITY without a stream": (frames.frame(frames.PRIORITY, 0, 0, b"12345"), ErrorCode.PROTOCOL_ERROR),
    "RST_STREAM of a wrong length": (
        frames.frame(frames.RST_STREAM, 0, 1, b"123"),
        ErrorCode.FRAME_SIZE_ERROR,
    ),
    "RST_STREAM of a stream never opened": (
        frames.rst_stream(9, ErrorCode.CANCEL),
        ErrorCode.PROTOCOL_ERROR,
    ),
    "SETTINGS on a stream": (frames.frame(frames.SETTINGS, 0, 1, b""), ErrorCode.PROTOCOL_ERROR),
    "an acknowledgement with content": (
        frames.frame(frames.SETTINGS, frames.ACK, 0, b"123456"),
        ErrorCode.FRAME_SIZE_ERROR,
    ),
    "PUSH_PROMISE": (frames.frame(frames.PUSH_PROMISE, 4, 1, b"\0\0\0\2"), ErrorCode.PROTOCOL_ERROR),
    "PING on a stream": (frames.frame(frames.PING, 0, 1, b"12345678"), ErrorCode.PROTOCOL_ERROR),
    "PING of a wrong length": (frames.frame(frames.PING, 0, 0, b"1234567"), ErrorCode.FRAME_SIZE_ERROR),
    "GOAWAY on a stream": (frames.frame(frames.GOAWAY, 0, 1, bytes(8)), ErrorCode.PROTOCOL_ERROR),
    "GOAWAY of a wrong length": (frames.frame(frames.GOAWAY, 0, 0, bytes(7)), ErrorCode.FRAME_SIZE_ERROR),
    "WINDOW_UPDATE of a wrong length": (
        frames.frame(frames.WINDOW_UPDATE, 0, 0, b"123"),
        ErrorCode.FRAME_SIZE_ERROR,
    ),
    "WINDOW_UPDATE by 0": (frames.frame(frames.WINDOW_UPDATE, 0, 0, bytes(4)), ErrorCode.PROTOCOL_ERROR),
    "a window above its maximum": (
        frames.frame(frames.WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"),
        ErrorCode.FLOW_CONTROL_ERROR,
    ),
    "WINDOW_UPDATE of a stream never opened": (
        frames.frame(frames.WINDOW_UPDATE, 0, 9, WINDOW),
        ErrorCode.PROTOCOL_ERROR,
    ),
    "settings that overflow a window": (
        frames.frame(frames.WINDOW_UPDATE, 0, 1, b"\x7f\x00\x00\x00")
        + frames.settings({frames.INITIAL_WINDOW_SIZE: 2**31 - 1}),
        ErrorCode.FLOW_CONTROL_ERROR,
    ),
    "empty DATA frames": (
        frames.frame(frames.DATA, 0, 1, b"") * (MAX_EMPTY + 1),
        ErrorCode.ENHANCE_YOUR_CALM,
    ),
    "pings": (frames.ping(b"12345678", ack=False) * (ODDITIES + 1), ErrorCode.ENHANCE_YOUR_CALM),
    "settings": (frames.settings({}) * (ODDITIES + 1), ErrorCode.ENHANCE_YOUR_CALM),
    "priorities": (
        frames.frame(frames.PRIORITY, 0, 1, bytes(5)) * (FREE_PRIORITIES + ODDITIES + 1),
        ErrorCode.ENHANCE_YOUR_CALM,
    ),
    "frames of unknown kinds": (frames.frame(0xEE, 0, 0, b"") * (ODDITIES + 1), ErrorCode.ENHANCE_YOUR_CALM),
    "window updates": (
        frames.window_update(1, 1) * (ODDITIES + 200),
        ErrorCode.ENHANCE_YOUR_CALM,
    ),
}


@pytest.mark.parametrize("fault", SESSION_FAULTS)
def test_a_fault_of_the_connection_ends_it(fault):
    data, code = SESSION_FAULTS[fault]
    peers = Peers()
    peers.get(end_stream=False)
    with pytest.raises(SessionError) as caught:
        peers.send(data)
    assert caught.value.code is code


STREAM_FAULTS = {
    "WINDOW_UPDATE by 0": (frames.frame(frames.WINDOW_UPDATE, 0, 1, bytes(4)), ErrorCode.PROTOCOL_ERROR),
    "a window above its maximum": (
        frames.frame(frames.WINDOW_UPDATE, 0, 1, b"\x7f\xff\xff\xff"),
        ErrorCode.FLOW_CONTROL_ERROR,
    ),
    "PRIORITY of a wrong length": (frames.frame(frames.PRIORITY, 0, 1, b"1234"), ErrorCode.FRAME_SIZE_ERROR),
    "PRIORITY on itself": (frames.frame(frames.PRIORITY, 0, 1, b"\0\0\0\1\0"), ErrorCode.PROTOCOL_ERROR),
    "DATA after the end": (
        frames.frame(frames.DATA, 1, 1, b"x") + frames.frame(frames.DATA, 0, 1, b"y"),
        ErrorCode.STREAM_CLOSED,
    ),
    "DATA beyond the window": (
        frames.frame(frames.DATA, 0, 1, b"x" * 16_384) * 5,
        ErrorCode.FLOW_CONTROL_ERROR,
    ),
    "trailers that end nothing": (frames.frame(frames.HEADERS, 4, 1, b""), ErrorCode.PROTOCOL_ERROR),
}


@pytest.mark.parametrize("fault", STREAM_FAULTS)
def test_a_fault_of_a_stream_resets_it_and_counts_as_much_as_a_reset_of_the_client(fault):
    data, code = STREAM_FAULTS[fault]
    peers = Peers(eager=False)
    stream = peers.get(end_stream=False)
    before = peers.server.guard.resets
    peers.send(data)
    assert frames.rst_stream(1, code) in peers.taken()
    assert stream.reset == code
    assert peers.server.guard.resets == before - 1
    peers.get(3)


def test_frames_of_a_closed_stream_are_ignored_at_a_price():
    peers = Peers()
    stream = peers.get(end_stream=False)
    peers.server.reset(stream, ErrorCode.NO_ERROR)
    peers.taken()
    before = peers.server.guard.oddities
    peers.raw(frames.DATA, 0, 1, b"late")
    peers.raw(frames.RST_STREAM, 0, 1, bytes(4))
    peers.raw(frames.WINDOW_UPDATE, 0, 1, WINDOW)
    peers.raw(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, 1, b"\x82")
    assert peers.taken() == b""
    assert peers.server.guard.oddities == before - 3


def test_the_window_of_the_connection_is_credited_for_bytes_that_are_thrown_away():
    peers = Peers()
    stream = peers.get(end_stream=False)
    peers.server.reset(stream, ErrorCode.NO_ERROR)
    peers.taken()
    granted = b""
    frame = frames.frame(frames.DATA, 0, 1, b"x" * 16_384)
    peers.server.guard.oddities = 10**9
    while not granted:
        peers.send(frame * 1000)
        granted = peers.taken()
    assert granted.startswith(b"\x00\x00\x04\x08\x00\x00\x00\x00\x00")

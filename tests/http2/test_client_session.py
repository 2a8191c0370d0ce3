"""The client's role, with hyper's h2 as the server that checks every frame."""

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
import pytest

from pylb.errors import InvalidResponseError
from pylb.http2 import frames
from pylb.http2.client_session import ClientSession, RequestStream, name_of
from pylb.http2.errors import ErrorCode, SessionError
from pylb.http2.request_block import request_block

HEAD = b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"
OK = [(":status", "200")]


class Request(RequestStream):
    """A stream that stores its events."""

    def __init__(self, session):
        super().__init__(0, session.initial_send_window, session.window)
        self.bodiless = self.head_received = False
        self.session = session
        self.events = []
        self.body = b""

    def received_head(self, head, *, interim):
        self.events.append(head)

    def received(self, data):
        self.body += data

    def received_trailers(self, lines):
        self.events.append(lines)

    def received_reset(self, code):
        self.events.append(("reset", code))

    def unprocessed(self, detail):
        self.events.append(("unprocessed", detail))


class Peers:
    """A session of pylb, and a server that is connected to it."""

    def __init__(self, settings=None, window=65_536):
        self.changes = 0
        self.client = ClientSession(window=window, max_header=16_384, changed=self._changed)
        configuration = h2.config.H2Configuration(client_side=False, header_encoding=None)
        self.server = h2.connection.H2Connection(configuration)
        if settings:
            self.server.local_settings = h2.settings.Settings(client=False, initial_values=settings)
        self.server.initiate_connection()
        self.events = []

    def _changed(self):
        self.changes += 1

    def exchange(self):
        """Carry bytes both ways until both sides are silent; return what the server has received."""
        new = []
        while True:
            self.client.fill(1 << 30)
            sent = self.client.take()
            new += self.server.receive_data(sent) if sent else []
            answer = self.server.data_to_send()
            if answer:
                self.client.receive(answer)
            elif not sent:
                self.events += new
                return new

    def open(self, *, end_stream=True, head=HEAD):
        stream = Request(self.client)
        self.client.open(stream, request_block(head, tls=False), end_stream=end_stream)
        return stream


def test_a_request_and_its_response():
    peers = Peers()
    stream = peers.open()
    (request,) = [e for e in peers.exchange() if isinstance(e, h2.events.RequestReceived)]
    assert request.stream_id == 1
    assert dict(request.headers)[b":authority"] == b"shop.example"
    peers.server.send_headers(1, [*OK, ("content-length", "5")])
    peers.server.send_data(1, b"hello", end_stream=True)
    peers.exchange()
    assert stream.events == [b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"]
    assert stream.body == b"hello"
    assert stream.remote_ended
    assert not peers.client.streams


def test_one_stream_is_assumed_until_settings_arrive():
    peers = Peers(
        {
            h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 7,
            h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL: 1,
        }
    )
    assert (peers.client.max_streams, peers.client.settled) == (1, False)
    peers.exchange()
    assert (peers.client.max_streams, peers.client.settled) == (7, True)
    assert peers.client.connect_protocol
    assert peers.changes == 1


def test_settings_without_a_limit_allow_any_number():
    peers = Peers()
    peers.client.receive(frames.settings({}))
    assert peers.client.max_streams > 1_000_000
    peers.client.receive(frames.settings({frames.MAX_CONCURRENT_STREAMS: 1}))
    peers.client.receive(frames.settings({frames.INITIAL_WINDOW_SIZE: 1}))
    assert peers.client.max_streams == 1


def test_interim_responses_and_trailers():
    peers = Peers()
    stream = peers.open(end_stream=False)
    peers.exchange()
    peers.server.send_headers(1, [(":status", "100")])
    peers.server.send_headers(1, OK)
    peers.server.send_data(1, b"x")
    peers.server.send_headers(1, [("grpc-status", "0")], end_stream=True)
    peers.exchange()
    assert [event[:12] for event in stream.events] == [b"HTTP/1.1 100", b"HTTP/1.1 200", b"grpc-status:"]
    peers.client.send(stream, b"the request may go on")
    peers.client.end(stream, b"\x00\x01a\x01b")
    kinds = [type(event) for event in peers.exchange()]
    assert h2.events.TrailersReceived in kinds
    assert not peers.client.streams


def test_streams_above_the_last_one_of_goaway_are_unprocessed():
    peers = Peers()
    peers.exchange()
    first, second = peers.open(), peers.open()
    peers.client.receive(frames.goaway(1, ErrorCode.NO_ERROR))
    assert first.events == []
    assert second.events == [("unprocessed", "GOAWAY NO_ERROR, its last stream is 1")]
    assert peers.client.exhausted
    assert list(peers.client.streams) == [1]
    peers.client.receive(frames.goaway(0, ErrorCode.NO_ERROR))
    assert first.events


def test_a_reset_has_its_code():
    peers = Peers()
    stream = peers.open()
    peers.exchange()
    peers.server.reset_stream(1, h2.errors.ErrorCodes.REFUSED_STREAM)
    peers.exchange()
    assert stream.events == [("reset", ErrorCode.REFUSED_STREAM)]
    assert stream.cut


def test_a_malformed_response_ends_its_stream_only():
    peers = Peers()
    stream, other = peers.open(), peers.open()
    peers.exchange()
    peers.client.receive(frames.headers(1, b"\x88\x00\x01X\x01y", end_stream=True))
    (error,) = stream.events
    assert isinstance(error, InvalidResponseError)
    assert any(isinstance(event, h2.events.StreamReset) for event in peers.exchange())
    peers.client.receive(frames.headers(3, b"\x88", end_stream=True))
    assert other.events


def test_push_and_streams_that_were_never_opened_end_the_session():
    for bad in (
        frames.frame(frames.PUSH_PROMISE, 4, 1, b"\0\0\0\2\x88"),
        frames.headers(2, b"\x88", end_stream=True),
        frames.headers(5, b"\x88", end_stream=True),
        frames.data(5, b"x", end_stream=True),
        frames.rst_stream(7, ErrorCode.CANCEL),
    ):
        peers = Peers()
        peers.open()
        peers.exchange()
        with pytest.raises(SessionError):
            peers.client.receive(bad)


def test_frames_of_a_stream_that_pylb_has_reset_are_decoded_and_dropped():
    peers = Peers()
    stream = peers.open()
    peers.exchange()
    peers.client.reset(stream, ErrorCode.CANCEL)
    peers.client.receive(frames.headers(1, b"\x88", end_stream=False))
    peers.client.receive(frames.data(1, b"x", end_stream=True))
    assert stream.events == []


def test_a_ping_is_outstanding_until_its_answer():
    peers = Peers()
    peers.exchange()
    peers.client.ping()
    peers.client.ping()
    assert peers.client.pinged
    received = [e for e in peers.exchange() if isinstance(e, h2.events.PingReceived)]
    assert len(received) == 1
    assert not peers.client.pinged


def test_the_last_number_exhausts_the_connection():
    peers = Peers()
    peers.client.last_number = 2**31 - 3
    assert not peers.client.exhausted
    stream = peers.open()
    assert stream.number == 2**31 - 1
    assert peers.client.exhausted


def test_an_unknown_code_is_a_number():
    assert (name_of(8), name_of(255)) == ("CANCEL", "error 0xff")

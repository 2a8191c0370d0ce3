"""Fuzzes whole HTTP/2 sessions: `python -m tests.fuzz.http2_session --executions 1000000`.

An execution is one connection of a client to a `ServerSession`, whose exchanges answer, wait, read, or give
up at random. In one half of the executions hyper's h2 is the client: every frame that pylb sends is checked.
In the other half a grammar makes frames, valid or not, and some of their bytes are mutated. Invariants hold
after every read; what breaks them is printed with its seed, and the exit status is 1.
"""

import random
import sys
import time
import traceback
from contextlib import suppress

import h2.config
import h2.connection
import h2.exceptions
import hpack

from pylb.config.clients import Limits
from pylb.errors import ProxyError
from pylb.http2 import frames
from pylb.http2.errors import ErrorCode, SessionError
from pylb.http2.request_heads import RequestHeads
from pylb.http2.sender import GROWTH_BUDGET, LARGEST_WINDOW
from pylb.http2.server_session import ServerSession
from pylb.http2.stream import HIGH_MARK, Stream
from tests.fuzz import command
from tests.fuzz.http1 import mutant

MAX_STREAMS = 8
WINDOW = 1000
"""Small, so that windows close and grow within an execution."""
LARGEST_PIECE = 30_000
"""Bytes that an exchange sends at once."""
MOST_STEPS = 30

OK = b"\x88"
TRAILERS = b"\0\x05x-sum\x011"
GET = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")]
POST = [(":method", "POST"), *GET[1:]]
CONNECT = [(":method", "CONNECT"), (":protocol", "websocket"), *GET[1:]]
BAD = [*GET, ("connection", "close")]
KINDS = [*range(10), 0x10, 0xEE]


class Exchange(Stream):
    """A request whose server acts at random."""

    def __init__(self, peer, number, head):
        super().__init__(number, peer.session.initial_send_window, peer.session.window)
        assert isinstance(head, ProxyError) or head.endswith(b"\r\n\r\n")
        self.peer = peer
        self.held = 0
        self.over = False
        self.answered = False

    def begin(self):
        self.peer.running.append(self)

    def received(self, data):
        assert not self.over
        self.held += len(data)

    def received_trailers(self, lines):
        assert self.remote_ended
        assert not lines or lines.endswith(b"\r\n")

    def received_reset(self, code):
        assert self.ended
        assert self.remote_ended
        self.over = True


class Peer:
    """pylb's side of the connection, with its exchanges."""

    def __init__(self, chance):
        self.chance = chance
        self.running = []
        self.session = ServerSession(
            RequestHeads(Limits(), 4096),
            lambda number, head: Exchange(self, number, head),
            table_size=4096,
            max_streams=MAX_STREAMS,
            window=WINDOW,
            max_header=32 * 1024,
        )

    def receive(self, data):
        """Parse a read as a connection does; raise SessionError for a fault of the client."""
        session = self.session
        (session.begin if session.awaits_preface else session.receive)(data)
        self.check()
        while session.has_more:
            session.receive(b"")
            self.check()

    def act(self):
        """Let each exchange take a step."""
        session, chance = self.session, self.chance
        for exchange in tuple(self.running):
            how = chance.random()
            if exchange.over or (exchange.answered and exchange.ended):
                self.running.remove(exchange)
                session.finish(exchange, ErrorCode.NO_ERROR)
            elif how < 0.1:
                continue
            elif exchange.held and how < 0.4:
                session.consumed(exchange, exchange.held)
                exchange.held = 0
            elif not exchange.answered:
                self.answer(exchange, how)
            elif exchange.ending or exchange.ended:
                continue
            elif how < 0.8:
                if exchange.size < HIGH_MARK:
                    session.send(exchange, bytes(chance.randint(1, LARGEST_PIECE)))
            elif how < 0.9:
                session.end(exchange, TRAILERS if how < 0.85 else b"")
            elif how < 0.93:
                session.reset(exchange, ErrorCode.INTERNAL_ERROR)
                exchange.over = True
        if chance.random() < 0.02:
            session.announce_drain(lambda: None)
        elif chance.random() < 0.02:
            session.refuse_more()
        session.guard.passed(chance.random())
        session.now += chance.random()
        if chance.random() < 0.9:
            session.fill(chance.choice([1, 20_000, 100_000]))
        self.check()
        return bytes(session.take()) if session.output else b""

    def answer(self, exchange, how):
        session = self.session
        if how < 0.5:
            session.send_head(exchange, b"\x48\x03103", end_stream=False)
            return
        exchange.answered = exchange.started = True
        body = bytes(self.chance.randint(0, LARGEST_PIECE)) if how < 0.7 else b""
        session.send_head(exchange, OK, end_stream=how < 0.75, body=body)

    def check(self):
        """Check what holds between any two frames."""
        session = self.session
        assert session.active == len(self.running) <= MAX_STREAMS
        assert len(session.streams) <= MAX_STREAMS
        for number, stream in session.streams.items():
            assert number == stream.number <= session.last_number
            assert not (stream.ended and stream.remote_ended)
            assert stream.size == sum(map(len, stream.unsent or ()))
            assert stream.size < HIGH_MARK + LARGEST_PIECE
            assert 0 <= stream.window <= stream.window_size <= max(WINDOW, LARGEST_WINDOW)
            assert stream.held <= stream.window_size
        grown = sum(stream.window_size - WINDOW for stream in session.streams.values())
        assert grown <= GROWTH_BUDGET


class Hyper:
    """A client that keeps the protocol: hyper's h2."""

    def __init__(self, chance):
        self.chance = chance
        config = h2.config.H2Configuration(client_side=True, header_encoding=None)
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self.known = []
        self.open = []
        """Streams on which the client has not ended."""

    def step(self):
        """Send something; return the bytes."""
        chance, client = self.chance, self.h2
        for _ in range(chance.randint(0, 4)):
            # The stream may have ended, or a limit is reached.
            with suppress(h2.exceptions.ProtocolError, KeyError, ValueError):
                self._send(chance.random())
        return client.data_to_send()

    def _send(self, how):
        chance, client = self.chance, self.h2
        if how < 0.3:
            number = client.get_next_available_stream_id()
            kind = chance.choice([GET, POST, POST, CONNECT])
            client.send_headers(number, kind, end_stream=kind is GET)
            self.known.append(number)
            if kind is not GET:
                self.open.append(number)
        elif how < 0.35:
            client.ping(b"question")
        elif how < 0.4:
            # h2 refuses even an empty frame when a window is negative, so windows are not made smaller.
            client.update_settings(chance.choice([{1: 0}, {1: 4096}, {4: 2**20}]))
        elif how < 0.5:
            client.increment_flow_control_window(chance.choice([1, 1000, 100_000]))
        elif how < 0.6 and self.known:
            client.increment_flow_control_window(chance.choice([1, 1000, 100_000]), chance.choice(self.known))
        elif self.open:
            self._continue(how, chance.choice(self.open))

    def _continue(self, how, number):
        """Continue or end a request. What h2 rejects, it would take for the end of the stream."""
        chance, client = self.chance, self.h2
        if how > 0.85:
            self.open.remove(number)
        if how < 0.9:
            size = min(client.local_flow_control_window(number), chance.choice([0, 1, 100, 16_000]))
            client.send_data(number, bytes(size), end_stream=how > 0.85)
        elif how < 0.95:
            client.send_headers(number, [("x-sum", "1")], end_stream=True)
        else:
            client.reset_stream(number, 8)

    def receive(self, data):
        """Take what pylb sent, up to a GOAWAY, after which h2 accepts nothing."""
        self.h2.receive_data(data)


class Grammar:
    """A client that sends any frame."""

    def __init__(self, chance):
        self.chance = chance
        self.encoder = hpack.Encoder()
        self.number = 1
        self.began = False

    def step(self):
        chance = self.chance
        data = b"".join(self._frame() for _ in range(chance.randint(1, 12)))
        if chance.random() < 0.2:
            data = mutant(data, data, chance)
        if not self.began:
            self.began = True
            data = frames.PREFACE + frames.settings({}) + data
        return data

    def _frame(self):
        chance = self.chance
        how, flags = chance.random(), chance.choice([0, 0, 0, 1, 4, 5, 8, 0x20, chance.randrange(256)])
        known = max(self.number - 2 * chance.randint(0, 3), 0)
        if how < 0.3:
            block = self.encoder.encode(chance.choice([GET, POST, POST, CONNECT, BAD]))
            self.number += 2
            return frames.headers(self.number, block, end_stream=chance.random() < 0.4)
        if how < 0.5:
            return frames.data(
                known, bytes(chance.choice([0, 1, 500, 900])), end_stream=chance.random() < 0.2
            )
        if how < 0.6:
            return frames.window_update(chance.choice([0, known]), chance.choice([0, 1, 1000, 2**31 - 1]))
        if how < 0.65:
            return frames.rst_stream(known, ErrorCode.CANCEL)
        if how < 0.7:
            return frames.settings({chance.randint(1, 9): chance.choice([0, 1, 16_384, 65_535, 2**31 - 1])})
        if how < 0.75:
            return frames.headers(known, self.encoder.encode([("x-a", "b")]), end_stream=True)
        number = chance.choice([0, known, self.number + 2])
        return frames.frame(
            chance.choice(KINDS), flags, number, chance.randbytes(chance.choice([0, 1, 4, 5, 8, 30]))
        )

    def receive(self, data):
        """Check that the bytes are frames that the client accepts."""
        while data:
            first, _, _ = frames.HEADER.unpack_from(data)
            assert first >> 8 <= frames.DEFAULT_FRAME_SIZE
            assert len(data) >= frames.HEADER_LENGTH + (first >> 8)
            data = data[frames.HEADER_LENGTH + (first >> 8) :]


def check(seed):
    """Run one connection; return a description of its end."""
    chance = random.Random(seed)
    peer = Peer(chance)
    client = (Hyper if chance.random() < 0.5 else Grammar)(chance)
    honest = isinstance(client, Hyper)
    goaway = False
    try:
        for _ in range(chance.randint(1, MOST_STEPS)):
            data = client.step()
            while data:
                size = chance.choice([len(data), chance.randint(1, len(data))])
                peer.receive(data[:size])
                data = data[size:]
            output = peer.act()
            goaway = goaway or frames.GOAWAY in kinds(output)
            if not (honest and goaway):
                client.receive(output)
    except SessionError as error:
        if honest and not goaway and error.code is not ErrorCode.ENHANCE_YOUR_CALM:
            raise
        return f"{error.code.name} {error.detail.split(',')[0].rstrip('0123456789 ')}"
    return f"{type(client).__name__} {len(peer.running)} running, {peer.session.active} active"


def kinds(data):
    """The kinds of the frames."""
    found, position = set(), 0
    while position < len(data):
        first, _, _ = frames.HEADER.unpack_from(data, position)
        found.add(first & 0xFF)
        position += frames.HEADER_LENGTH + (first >> 8)
    return found


def by_mutation(executions, seed, say):
    """Run this number of connections; return whether none broke an invariant."""
    ends = set()
    began = reported = time.monotonic()
    for count in range(1, executions + 1):
        try:
            ends.add(check(seed * 10**9 + count))
        except Exception:
            say(f"{traceback.format_exc()}\nseed {seed * 10**9 + count}\n")
            return False
        if count == executions or (count % 1_000 == 0 and time.monotonic() > reported + 10):
            reported = time.monotonic()
            rate = count / (reported - began)
            say(f"{count:,} executions, {rate:,.0f} a second, {len(ends)} different ends, none wrong\n")
    return True


def main():
    return command.run(command.parser("tests.fuzz.http2_session", __doc__).parse_args(), by_mutation)


if __name__ == "__main__":
    sys.exit(main())

"""Backends and clients with HTTP/2 for tests of the data plane: hyper's h2 on the sockets of `Environment`.

A backend is a script: a coroutine function that gets each stream. Every frame is checked by h2.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from pylb.http2 import frames
from pylb.http2.errors import ErrorCode

OK = (":status", "200")
Fields = Iterable[tuple[str, str]]


class Peer:
    """One connection with HTTP/2, of a client or a server."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        client: bool,
        settings: Any = None,
    ) -> None:
        self.reader, self.writer = reader, writer
        configuration = h2.config.H2Configuration(client_side=client, header_encoding="latin-1")
        self.h2 = h2.connection.H2Connection(configuration)
        if settings:
            self.h2.local_settings = h2.settings.Settings(client=client, initial_values=settings)
        self.h2.initiate_connection()
        self.streams: dict[int, Stream] = {}
        self.events: list[h2.events.Event] = []
        self.moved = asyncio.Event()
        self.on_stream: Callable[[Stream], None] = lambda _: None
        self.flush()

    def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())

    async def run(self) -> None:
        """Handle what arrives until the connection ends."""
        try:
            while data := await self.reader.read(1 << 16):
                for event in self.h2.receive_data(data):
                    self.handle(event)
                self.flush()
                self.notify()
        except (ConnectionError, h2.exceptions.ProtocolError):
            self.flush()
        finally:
            for stream in self.streams.values():
                stream.lost = True
            self.notify()

    def notify(self) -> None:
        moved, self.moved = self.moved, asyncio.Event()
        moved.set()

    def handle(self, event: h2.events.Event) -> None:
        self.events.append(event)
        if isinstance(event, h2.events.RequestReceived):
            stream = self.streams[event.stream_id] = Stream(self, event.stream_id)
            stream.heads.append(dict(event.headers))
            self.on_stream(stream)
        stream = self.streams.get(getattr(event, "stream_id", None) or 0)
        if stream is None:
            return
        if isinstance(event, h2.events.ResponseReceived | h2.events.InformationalResponseReceived):
            stream.heads.append(dict(event.headers))
        elif isinstance(event, h2.events.DataReceived):
            stream.body += event.data
            stream.unread += event.flow_controlled_length
            if stream.eager:
                stream.acknowledge()
        elif isinstance(event, h2.events.TrailersReceived):
            stream.trailers = dict(event.headers)
        elif isinstance(event, h2.events.StreamEnded):
            stream.ended = True
        elif isinstance(event, h2.events.StreamReset):
            stream.reset_code = event.error_code

    def open(self, fields: Fields, *, end: bool = True) -> Stream:
        number = self.h2.get_next_available_stream_id()
        stream = self.streams[number] = Stream(self, number)
        stream.head(fields, end=end)
        return stream


class Stream:
    """One stream of a peer."""

    def __init__(self, peer: Peer, number: int) -> None:
        self.peer, self.number = peer, number
        self.heads: list[dict[str, str]] = []
        self.body = bytearray()
        self.trailers: dict[str, str] | None = None
        self.ended = self.lost = False
        self.reset_code: int | None = None
        self.eager = True
        """Whether what arrives is acknowledged at once."""
        self.unread = 0

    @property
    def status(self) -> str:
        return self.heads[-1][":status"]

    async def until(self, done: Callable[[], object]) -> Stream:
        """Wait for a state of the stream, or the end of the connection."""
        async with asyncio.timeout(10):
            while not (done() or self.lost):
                await self.peer.moved.wait()
        return self

    async def whole(self) -> Stream:
        """Wait until the peer has ended the stream."""
        return await self.until(lambda: self.ended or self.reset_code is not None)

    def acknowledge(self) -> None:
        if self.unread:
            self.peer.h2.acknowledge_received_data(self.unread, self.number)
            self.unread = 0

    def malformed(self, fields: Fields) -> None:
        """Send a whole response that the library would refuse to send."""
        configuration = self.peer.h2.config
        configuration.validate_outbound_headers = configuration.normalize_outbound_headers = False
        self.head(fields, end=True)

    def head(self, fields: Fields, *, end: bool = False) -> None:
        self.peer.h2.send_headers(self.number, list(fields), end_stream=end)
        self.peer.flush()

    def data(self, data: bytes = b"", *, end: bool = False) -> None:
        """Send a small body."""
        self.peer.h2.send_data(self.number, data, end_stream=end)
        self.peer.flush()

    async def send(self, data: bytes, *, end: bool = False) -> None:
        """Send a large body, as the windows allow."""
        connection = self.peer.h2
        while data:
            await self.until(
                lambda: self.reset_code is not None or connection.local_flow_control_window(self.number) > 0
            )
            if self.lost or self.reset_code is not None:
                return
            size = min(connection.local_flow_control_window(self.number), connection.max_outbound_frame_size)
            self.data(data[:size])
            await self.peer.writer.drain()
            data = data[size:]
        if end:
            self.data(end=True)

    def reset(self, code: int = 0) -> None:
        self.reset_code = code
        self.peer.h2.reset_stream(self.number, code)
        self.peer.flush()
        self.peer.notify()


Script = Callable[[Stream], Awaitable[None]]


class H2Backend:
    """The script of a backend, as a `Handler` of an origin, and its connections."""

    def __init__(self, script: Script, settings: Any = None) -> None:
        self.script, self.settings = script, settings
        self.peers: list[Peer] = []

    @property
    def streams(self) -> list[Stream]:
        return [stream for peer in self.peers for stream in peer.streams.values()]

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer, client=False, settings=self.settings)
        self.peers.append(peer)
        async with asyncio.TaskGroup() as group:
            peer.on_stream = lambda stream: group.create_task(self.serve(stream)) and None
            await peer.run()

    async def serve(self, stream: Stream) -> None:
        try:
            await self.script(stream)
        except h2.exceptions.ProtocolError:
            if stream.reset_code is None and not stream.lost:
                raise

    def goaway(self, last: int, code: int = 0) -> None:
        """Let all connections send GOAWAY. The library would end the streams with it."""
        for peer in self.peers:
            peer.writer.write(frames.goaway(last, ErrorCode(code)))


def answering(body: bytes = b"hello", *fields: tuple[str, str]) -> Script:
    """A script that answers each request when it is complete."""

    async def script(stream: Stream) -> None:
        await stream.whole()
        stream.head([OK, ("content-length", str(len(body))), *fields])
        await stream.send(body, end=True)

    return script


async def echo(stream: Stream) -> None:
    """A script that sends the request's body and trailers back as they arrive."""
    stream.head([OK])
    sent = 0
    while not stream.ended or sent < len(stream.body):
        before = sent
        await stream.until(lambda: len(stream.body) > before or stream.ended or stream.reset_code is not None)  # noqa: B023
        if stream.lost or stream.reset_code is not None:
            return
        piece = bytes(stream.body[sent:])
        sent += len(piece)
        await stream.send(piece)
    if stream.trailers:
        stream.head(stream.trailers.items(), end=True)
    else:
        stream.data(end=True)


GET = (
    *((":method", "GET"), (":scheme", "http"), (":authority", "shop.example"), (":path", "/")),
    ("x-a", "b"),
)
POST = ((":method", "POST"), *GET[1:])


class H2Client:
    """A client of pylb with HTTP/2: an asynchronous context with one connection."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def __aenter__(self) -> Peer:
        reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        peer = Peer(reader, self.writer, client=True)
        self.running = asyncio.get_running_loop().create_task(peer.run())
        return peer

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        await self.running

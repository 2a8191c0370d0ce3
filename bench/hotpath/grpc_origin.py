"""A gRPC server that answers each unary call with the same message, at the least cost.

Run as `python -m bench.hotpath.grpc_origin PORT`. It uses the frames of `pylb.http2`, because libraries of
gRPC for Python would cost more than the proxies.
"""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import cast

import uvloop

from pylb.config.clients import Limits
from pylb.http2.errors import ErrorCode
from pylb.http2.request_heads import RequestHeads
from pylb.http2.response_heads import block_of_text, trailers_block
from pylb.http2.server_session import Head, ServerSession
from pylb.http2.stream import Stream

MESSAGE = b"\0\0\0\0\x20" + b"r" * 32
"""A message of 32 bytes with its prefix: not compressed, and its length."""

HEAD = block_of_text(b"HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\n\r\n")
TRAILERS = trailers_block(b"grpc-status: 0\r\n")
MANY = 1 << 20


class Call(Stream):
    """One call."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection, number: int, _: Head) -> None:
        session = connection.session
        super().__init__(number, session.initial_send_window, session.window)
        self._connection = connection

    def begin(self) -> None:
        """A call without a message ends at once."""
        if self.remote_ended:
            self._connection.answer(self)

    def received(self, data: bytes) -> None:
        """Discard the message; its end asks for the answer."""
        self._connection.session.consumed(self, len(data))
        if self.remote_ended:
            self._connection.answer(self)

    def sent_all(self) -> None:
        """The call has ended."""
        self._connection.session.finish(self, ErrorCode.NO_ERROR)


class Connection(asyncio.Protocol):
    """One connection of a proxy."""

    _transport: asyncio.Transport
    session: ServerSession[Call]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send SETTINGS."""
        self._transport = cast(asyncio.Transport, transport)
        heads = RequestHeads(Limits(), 4096)
        self.session = ServerSession(
            heads, partial(Call, self), table_size=4096, max_streams=MANY, window=65_535, max_header=65_536
        )
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Answer all calls of a read together."""
        session = self.session
        if session.awaits_preface:
            session.begin(data)
        else:
            session.receive(data)
        while session.has_more:
            session.receive(b"")
        self._flush()

    def answer(self, call: Call) -> None:
        """Send the message and the result."""
        self.session.send_head(call, HEAD, end_stream=False)
        self.session.send(call, MESSAGE)
        self.session.end(call, TRAILERS)

    def _flush(self) -> None:
        self.session.fill(MANY)
        if self.session.output:
            self._transport.write(self.session.take())


async def main(port: int) -> None:
    """Serve on a port of 127.0.0.1."""
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))

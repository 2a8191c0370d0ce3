"""Calls a gRPC method on some connections, with a fixed number of calls in progress on each.

Run as `python -m bench.hotpath.grpc_client PORT CONNECTIONS STREAMS SECONDS`. It prints four numbers:
complete calls, failed ones, and the median and the 99th percentile of the durations in ms.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from functools import partial
from statistics import quantiles
from time import perf_counter
from typing import cast

import uvloop

from pylb.errors import ProxyError
from pylb.http2.client_session import ClientSession, RequestStream

MESSAGE = b"\0\0\0\0\x20" + b"q" * 32
"""A message of 32 bytes with its prefix: not compressed, and its length."""

FIELDS = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":authority", b"localhost"),
    (b":path", b"/bench.Echo/Unary"),
    (b"content-type", b"application/grpc"),
    (b"user-agent", b"grpc-go/1.62.1"),
    (b"te", b"trailers"),
    (b"grpc-accept-encoding", b"gzip"),
]

SUCCESS = b"grpc-status: 0\r\n"
ALL = 1 << 30


def blocks() -> tuple[bytes, bytes]:
    """Return the header block of the first call, which adds all fields to the table, and that of the others.

    Every field is a literal with a new name, so the last one has index 62 (RFC 7541 §6.2.1, §2.3.3).
    """
    literals = [b"\x40%c%b%c%b" % (len(name), name, len(value), value) for name, value in FIELDS]
    return b"".join(literals), bytes(0x80 | 61 + len(FIELDS) - place for place in range(len(FIELDS)))


class Call(RequestStream):
    """One call."""

    __slots__ = ("_began", "_connection", "bodiless", "head_received")

    def __init__(self, connection: Connection) -> None:
        super().__init__(0, 0, connection.session.window)
        self._connection = connection
        self._began = perf_counter()
        self.bodiless = self.head_received = False

    def received_head(self, head: bytes | ProxyError, *, interim: bool) -> None:  # noqa: ARG002
        """A call without a message has failed."""
        if self.remote_ended:
            self._connection.ended(self._began, success=False)

    def received(self, data: bytes) -> None:
        """Discard the message."""
        self._connection.session.consumed(self, len(data))
        if self.remote_ended:
            self._connection.ended(self._began, success=False)

    def received_trailers(self, lines: bytes) -> None:
        """Take the result of the call."""
        self._connection.ended(self._began, success=SUCCESS in lines)

    def received_reset(self, code: int) -> None:  # noqa: ARG002
        """The call has failed."""
        self._connection.ended(self._began, success=False)


class Connection(asyncio.Protocol):
    """One connection.

    Args:
        calls: the calls in progress.
        durations: receives the duration of each complete call in seconds; infinite for a failed one.
    """

    _transport: asyncio.Transport

    def __init__(self, calls: int, durations: list[float]) -> None:
        self._missing = calls
        self._durations = durations
        self._first, self._next = blocks()
        self.session = ClientSession(window=65_535, max_header=65_536, changed=lambda: None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the preface."""
        self._transport = cast(asyncio.Transport, transport)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Begin a call for each that has ended."""
        session = self.session
        session.receive(data)
        while session.has_more:
            session.receive(b"")
        while self._missing and session.settled:
            self._missing -= 1
            call = Call(self)
            session.open(call, self._first, end_stream=False)
            session.send(call, MESSAGE)
            session.end(call)
            self._first = self._next
        self._flush()

    def ended(self, began: float, *, success: bool) -> None:
        """Count a call."""
        self._durations.append(perf_counter() - began if success else float("inf"))
        self._missing += 1

    def _flush(self) -> None:
        self.session.fill(ALL)
        if self.session.output:
            self._transport.write(self.session.take())


async def main(port: int, connections: int, streams: int, seconds: float) -> str:
    """Call the method for that many seconds; return the line to print."""
    durations: list[float] = []
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(partial(Connection, streams, durations), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.sleep(seconds)
    for transport, _ in opened:
        transport.abort()
    return summary(durations)


def summary(durations: Sequence[float]) -> str:
    """Return the figures of a run as text."""
    complete = [each for each in durations if each < float("inf")]
    percentiles = quantiles(complete, n=100) if len(complete) > 1 else [0.0] * 99
    failed = len(durations) - len(complete)
    return f"{len(complete)} {failed} {percentiles[49] * 1e3:.3f} {percentiles[98] * 1e3:.3f}"


if __name__ == "__main__":
    print(uvloop.run(main(*map(int, sys.argv[1:]))))

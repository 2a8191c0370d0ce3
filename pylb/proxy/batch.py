"""A turn of the loop: first all is read, then requests run on, then answers leave, then all that is counted.

To do it all for one connection after the other would cost more, twice. Whoever is written to while asleep has
to be woken, which on another core costs about as much as the write itself; between two writes would lie the
work of a request, long enough to fall asleep again. And code that has just run for one request is still in
the cache for the next, if nothing else has run meanwhile. Where there is little to do, a turn has one message
(docs/adr/turns.md).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from pylb.observe.record import Record
from pylb.proxy.waiter import Waiter

log = logging.getLogger("pylb.proxy")

INLINE_LIMIT = 4096
"""Bytes that may wait, on their way in and out. To write more costs more than to wake somebody; and if more
has arrived, the loop may go on to read up to 8 MB, of which nobody has said yet where they are to go."""

BATCH_LIMIT = 64
"""Messages that wait for each other: the first one waits for the work of so many requests at most."""


class Writable(Protocol):
    """A connection whose writes are batched."""

    lost: bool
    """Whether the connection is closed. Writes to it are dropped."""
    transport: asyncio.Transport


class WriteBatch:
    """What the connections of one worker still have to do in this turn.

    Args:
        observe: called once per request, at its end.
    """

    __slots__ = ("_arrived", "_ended", "_loop", "_observe", "_running", "scheduled", "writes")

    def __init__(self, observe: Callable[[Record], None]) -> None:
        self._observe = observe
        self._running = False
        """Whether requests run on; what ends then is observed when all have."""
        self._ended: list[Record] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arrived: list[Waiter] = []
        """Clients for which something was read."""
        self.writes: list[tuple[Writable, bytes]] = []
        """Who sends what; oldest first."""
        self.scheduled = False
        """Whether the turn will end by itself; whoever adds to `writes` must see to it."""

    def wake(self, client: Waiter) -> None:
        """Something has arrived for this client: let its coroutine look when the others have been read."""
        arrived = self._arrived
        arrived.append(client)
        if not self.scheduled:
            self.schedule()
        elif len(arrived) == BATCH_LIMIT:
            self.run()

    def schedule(self) -> None:
        """Run when the loop has read all that it knows of."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()  # To ask each time would be a system call (getpid).
        self.scheduled = True
        self._loop.call_soon(self._end)

    def _end(self) -> None:
        try:
            self.run()
        finally:
            self.scheduled = False

    def run(self) -> None:
        """Let requests run on for which something has arrived, write what is posted, observe what ended."""
        arrived, self._arrived = self._arrived, []
        self._running = True
        for client in arrived:
            client.wake()
        self._running = False
        writes, self.writes = self.writes, []
        _write(writes)
        ended, self._ended = self._ended, []
        for record in ended:
            try:
                self._observe(record)
            except Exception:
                log.exception("a defect kept a request from being counted")

    def observe(self, record: Record) -> None:
        """A request has ended."""
        if self._running:
            self._ended.append(record)
        else:
            self._observe(record)

    def release(self, stream: Writable) -> None:
        """Write what a stream has posted, without waiting for the others."""
        writes = [queue_write for queue_write in self.writes if queue_write[0] is stream]
        if writes:
            self.writes = [queue_write for queue_write in self.writes if queue_write[0] is not stream]
            _write(writes)


def _write(writes: Iterable[tuple[Writable, bytes]]) -> None:
    for stream, data in writes:
        try:
            if not stream.lost:
                stream.transport.write(data)
        except Exception:
            log.exception("a defect ended a connection")
            stream.transport.abort()

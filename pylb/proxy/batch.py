"""Batching per loop iteration: read everything, resume requests, write responses, then count what ended.

Interleaving writes with work costs more, for two reasons. It lets peers sleep, and each wake-up costs an
inter-processor interrupt, about as much as the write itself; batched writes keep peers awake. And code that
has just run for one request is still in the cache for the next one if nothing else has run in between. Under
low load a batch has one message (docs/adr/batching.md).

The module may not import the class of a connection.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Protocol

from pylb.observe.record import Record
from pylb.proxy.waiter import Waiter

log = logging.getLogger("pylb.proxy")

INLINE_LIMIT = 4096
"""Bytes of a message that may wait for the batch, in either direction. Writing more costs more than waking.
After a larger read, the loop may read up to 8 MB more before the coroutine has chosen their destination."""

BATCH_LIMIT = 64
"""Messages in a batch. The first one waits for the work of at most this many requests."""


class Writable(Protocol):
    """A connection whose writes are batched."""

    lost: bool
    """Whether the connection is closed. Writes to it are dropped."""
    transport: asyncio.Transport


class WriteBatch:
    """The pending work of one worker's connections in this loop iteration.

    Args:
        observe: called once per request, at its end.
    """

    __slots__ = (
        *("_arrived", "_ended", "_loop", "_observe", "_running", "_deferred"),
        *("flushes", "scheduled", "writes"),
    )

    def __init__(self, observe: Callable[[Record], None]) -> None:
        self._observe = observe
        self._running = False
        """Whether coroutines are being resumed. Requests that end meanwhile are observed afterwards."""
        self._ended: list[Record] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arrived: list[Waiter] = []
        """Waiters for which bytes have arrived."""
        self._deferred: deque[Callable[[], None]] = deque()
        """Functions that continue connections whose frames wait, one in each iteration."""
        self.writes: list[tuple[Writable, bytes]] = []
        """Connections and the messages to write to them, oldest first."""
        self.flushes: list[Callable[[], None]] = []
        """Functions that write what several streams of one connection have queued."""
        self.scheduled = False
        """Whether the end of the iteration is scheduled. Code that appends to `writes` must ensure it."""

    def wake(self, client: Waiter) -> None:
        """Wake a client, for which bytes have arrived, once the other connections are read."""
        arrived = self._arrived
        arrived.append(client)
        if not self.scheduled:
            self.schedule()
        elif len(arrived) == BATCH_LIMIT:
            self.run()

    def schedule(self) -> None:
        """Run the batch once the loop has read all ready sockets."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()  # Each call costs a system call (getpid).
        self.scheduled = True
        self._loop.call_soon(self._end)

    def _end(self) -> None:
        try:
            self.run()
            if self._deferred:
                self._deferred.popleft()()
        finally:
            self.scheduled = False
            if self._arrived or self.flushes or self._deferred:  # There is work for the next iteration.
                self.schedule()

    def run(self) -> None:
        """Wake clients, write queued messages, observe requests that have ended."""
        arrived, self._arrived = self._arrived, []
        self._running = True
        for client in arrived:
            client.wake()
        self._running = False
        writes, self.writes = self.writes, []
        _write(writes)
        if self.flushes:
            self._flush()
        ended, self._ended = self._ended, []
        for record in ended:
            try:
                self._observe(record)
            except Exception:
                log.exception("a defect kept a request from being counted")

    def flush_later(self, flush: Callable[[], None]) -> None:
        """Call a function once the coroutines of this iteration have run."""
        self.flushes.append(flush)
        if not self.scheduled:
            self.schedule()

    def defer(self, proceed: Callable[[], None]) -> None:
        """Call a function after the writes of an iteration; each iteration calls one.

        A connection whose frames wait defers the rest of them. So however many of these connections there
        are, the others wait for the work of one.
        """
        self._deferred.append(proceed)
        if not self.scheduled:
            self.schedule()

    def _flush(self) -> None:
        flushes, self.flushes = self.flushes, []
        for flush in flushes:
            try:
                flush()
            except Exception:
                log.exception("a defect kept frames from being written")

    def observe(self, record: Record) -> None:
        """Report the record of a request that has ended: now, unless it has the time of its end."""
        record.finished = record.finished or monotonic()
        if self._running:
            self._ended.append(record)
        else:
            self._observe(record)

    def release(self, stream: Writable) -> None:
        """Write the queued messages of one stream now."""
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

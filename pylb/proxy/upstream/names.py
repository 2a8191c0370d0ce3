"""Addresses of backends that are registered by name.

Each name has at most one look-up at a time, for any number of connections. Its result is cached for some
seconds. While the next look-up fails or is slow, pylb uses the previous addresses.

Look-ups run in a bounded number of threads: the resolver of the C library blocks for seconds while no DNS
server answers, and uvloop runs at most two look-ups at a time.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from errno import ENOBUFS
from threading import Thread
from typing import Any

from pylb.proxy.transfer import EVENT
from pylb.proxy.upstream.reach import Address, Waiting

VALID = 5.0
"""Seconds for which a result is cached. The C library does not return a TTL; Envoy has the same default."""

PAUSE = 1.0
"""Seconds between a failed look-up and the next one of that name."""

MAX_WAIT = 0.25
"""Seconds to wait for a look-up if previous addresses of the name exist."""

DEMOTED = 10.0
"""Seconds for which an address that did not accept a connection is tried after the others."""

THREADS = 16
"""Concurrent look-ups."""

REMEMBERED = 4096
"""Cached names. The oldest entries are dropped first."""

NO_ADDRESS = (None, "the name has no address")

LookUp = Callable[[str], Iterable[tuple[int, Any]]]


def look_up(host: str) -> list[Address]:
    """Ask the C library for a name's addresses, in the order of RFC 6724, each with port 0."""
    found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    return [(family, address) for family, *_, address in found]


class Name:
    """The cached state of one name. Times are seconds of the loop's clock."""

    __slots__ = ("addresses", "batch", "demoted", "due", "failure", "pending", "waited_for_until")

    def __init__(self) -> None:
        self.addresses: list[Address] = []
        self.failure: tuple[int | None, str] | None = None
        """The error number of the last look-up, and the reason in words; None if it did not fail."""
        self.due = 0.0
        """When the result expires."""
        self.pending: asyncio.Future[None] | None = None
        """Completes with the running look-up; None if none is running."""
        self.waited_for_until = 0.0
        """When to stop waiting for it, if previous addresses exist."""
        self.demoted: dict[Any, float] = {}
        """Until when an IP address is tried after the others."""
        self.batch = 0

    def ordered(self, port: int, now: float) -> list[Address]:
        """Return the addresses in the order of preference.

        The families alternate, beginning with the first (RFC 8305 section 4). Within a family each call
        begins with another address, so that connections spread over all replicas behind the name. Those that
        accepted no connection a moment ago come last.
        """
        families: dict[int, list[Address]] = {}
        for family, address in self.addresses:
            families.setdefault(family, []).append((family, (address[0], port, *address[2:])))
        rows = [row[self.batch % len(row) :] + row[: self.batch % len(row)] for row in families.values()]
        self.batch += 1
        longest = max(map(len, rows), default=0)
        ordered = [row[place] for place in range(longest) for row in rows if place < len(row)]
        return sorted(ordered, key=lambda found: self.demoted.get(found[1][0], 0.0) > now)


class Names:
    """Resolves names and caches the results.

    Args:
        look_up: asks for a name's addresses; called in a thread, may block and raise.
    """

    def __init__(self, look_up: LookUp = look_up) -> None:
        self._look_up = look_up
        self._names: dict[str, Name] = {}
        self._queue: deque[tuple[str, Name]] = deque()
        self._threads = 0

    async def addresses(self, host: str, port: int, waiting: Waiting) -> Sequence[Address]:
        """Return a name's addresses, at least one, in the order of preference.

        Args:
            host: the name.
            port: to connect to.
            waiting: the waiter and its deadline.

        Raises:
            ProxyError: the deadline passed, or the client left.
            OSError: the name has no address, the look-up failed, or the name is invalid.
        """
        name = self._name(host)
        now = asyncio.get_running_loop().time()
        if now >= name.due:
            await self._refresh(host, name, waiting)
        if name.addresses:
            return name.ordered(port, now)
        raise OSError(*(name.failure or NO_ADDRESS))

    def expire(self, host: str) -> None:
        """Expire the result for a name, because none of its addresses accepted a connection."""
        if (name := self._names.get(host)) is not None and name.failure is None:
            name.due = 0.0

    def demote(self, host: str, addresses: Iterable[Address]) -> None:
        """Try these addresses after the others for a while."""
        if (name := self._names.get(host)) is not None:
            until = asyncio.get_running_loop().time() + DEMOTED
            name.demoted.update((address[0], until) for _, address in addresses)

    def _name(self, host: str) -> Name:
        name = self._names.get(host)
        if name is None:
            if len(self._names) >= REMEMBERED:
                del self._names[next(iter(self._names))]
            name = self._names[host] = Name()
        return name

    async def _refresh(self, host: str, name: Name, waiting: Waiting) -> None:
        """Wait for a name's look-up, but not for long if there are previous addresses."""
        loop = asyncio.get_running_loop()
        pending = name.pending or self._begin(host, name)
        wake = waiting.client.woken
        pending.add_done_callback(wake)
        timer = loop.call_at(name.waited_for_until, waiting.client.wake) if name.addresses else None
        try:
            while not pending.done():
                if name.addresses and loop.time() >= name.waited_for_until:
                    return
                waiting.check()
                await EVENT
        finally:
            pending.remove_done_callback(wake)
            if timer is not None:
                timer.cancel()

    def _begin(self, host: str, name: Name) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        name.pending = pending = loop.create_future()
        name.waited_for_until = loop.time() + MAX_WAIT
        self._queue.append((host, name))
        self._start()
        return pending

    def _start(self) -> None:
        """Start threads for waiting look-ups, up to the limit."""
        loop = asyncio.get_running_loop()
        while self._queue and self._threads < THREADS:
            host, name = self._queue.popleft()
            thread = Thread(target=self._run, args=(host, name, loop), name=f"look-up of {host}", daemon=True)
            self._threads += 1
            try:
                thread.start()
            except RuntimeError as error:
                loop.call_soon(self._finish, name, (ENOBUFS, f"no thread for a look-up: {error}"))

    def _run(self, host: str, name: Name, loop: asyncio.AbstractEventLoop) -> None:
        """Look a name up; runs in a thread."""
        outcome: list[Address] | tuple[int | None, str]
        try:
            outcome = list(self._look_up(host)) or NO_ADDRESS
        except OSError as error:
            outcome = error.errno, error.strerror or str(error)
        except Exception as error:  # An empty label or a NUL fails before the C library is called.
            outcome = None, f"not a name: {error}"
        with suppress(RuntimeError):  # The loop may have ended meanwhile.
            loop.call_soon_threadsafe(self._finish, name, outcome)

    def _finish(self, name: Name, outcome: list[Address] | tuple[int | None, str]) -> None:
        """Store the result of a look-up; keep the previous addresses if it failed."""
        self._threads -= 1
        now = asyncio.get_running_loop().time()
        if isinstance(outcome, list):
            name.failure = None
            name.addresses = outcome
            name.due = now + VALID
            present = {address[0] for _, address in outcome}
            name.demoted = {ip: until for ip, until in name.demoted.items() if ip in present and until > now}
        else:
            name.failure = outcome
            name.due = now + PAUSE
        pending, name.pending = name.pending, None
        if pending is not None:
            pending.set_result(None)
        self._start()

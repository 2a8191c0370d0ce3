"""Connecting a socket to a backend's address, or to the first of several that accepts (RFC 8305)."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from errno import EADDRNOTAVAIL, EINPROGRESS, ENETUNREACH
from typing import Any

from pylb.errors import Fault, Phase, ProxyError
from pylb.proxy.transfer import EVENT, writable
from pylb.proxy.waiter import Waiter

Address = tuple[int, Any]
"""An address family, and an address in it as the kernel takes it."""

ATTEMPT_DELAY = 0.25
"""Seconds after which the next address is tried while the attempts before it are still running
(the Connection Attempt Delay of RFC 8305 section 5). Less if `--connect-timeout` would end before the last
address is tried."""


class Waiting:
    """The waiter for which a connection is opened.

    Args:
        client: the waiter, which has a deadline.
        name: the backend's name, for messages.
    """

    __slots__ = ("client", "name", "passed_over")

    def __init__(self, client: Waiter, name: str) -> None:
        self.client = client
        self.name = name
        self.passed_over: list[Address] = []
        """Addresses that failed, or were slower than a later one."""

    def check(self) -> None:
        """Check whether the connection is still wanted.

        Raises:
            ProxyError: the client left, or the deadline has passed.
        """
        if self.client.lost:
            raise self.client.lost_error(Phase.CONNECT)
        if self.client.expired:
            waited = f"{self.name} did not accept within {self.client.timeout:g} s"
            raise ProxyError(Phase.CONNECT, Fault.UPSTREAM_TIMEOUT, waited)


async def reach(addresses: Sequence[Address], waiting: Waiting) -> tuple[socket.socket, Address]:
    """Return a connected socket, which the caller owns, and the address that it is connected to.

    Args:
        addresses: at least one, in the order of preference.
        waiting: the waiter and its deadline.

    Raises:
        ProxyError: the deadline passed, or the client left.
        OSError: no address accepted a connection. The error is that of the last one.
    """
    if len(addresses) > 1:
        return await _race(addresses, waiting)
    (address,) = addresses
    connection = _open(address)
    try:
        error = connection.connect_ex(address[1])
        if error == EINPROGRESS:
            if not writable(connection):
                await _until_writable(connection, waiting)
            error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise _failure(error, address)
    except BaseException:
        connection.close()
        raise
    return connection, address


def _open(address: Address) -> socket.socket:
    connection = socket.socket(address[0], socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


async def _until_writable(connection: socket.socket, waiting: Waiting) -> None:
    loop = asyncio.get_running_loop()
    settled: list[bool] = []

    def settle() -> None:
        settled.append(True)
        waiting.client.wake()

    loop.add_writer(connection, settle)
    try:
        while not settled:
            waiting.check()
            await EVENT
    finally:
        loop.remove_writer(connection)


async def _race(addresses: Sequence[Address], waiting: Waiting) -> tuple[socket.socket, Address]:
    """Connect to several addresses, each after a delay, or as soon as the one before it has failed."""
    loop = asyncio.get_running_loop()
    delay = min(ATTEMPT_DELAY, waiting.client.timeout / len(addresses))
    race = Race(loop, waiting)
    untried = deque(addresses)
    due = 0.0
    timer: asyncio.TimerHandle | None = None
    try:
        while (winner := race.winner()) is None:
            if untried and (loop.time() >= due or not race.running):
                race.start(untried.popleft())
                due = loop.time() + delay
                timer = _replace(timer, loop.call_at(due, waiting.client.wake))
            elif race.running:
                waiting.check()
                await EVENT
            else:
                raise race.error
    finally:
        race.close()
        if timer is not None:
            timer.cancel()
    return winner


def _replace(timer: asyncio.TimerHandle | None, successor: asyncio.TimerHandle) -> asyncio.TimerHandle:
    if timer is not None:
        timer.cancel()
    return successor


class Race:
    """Concurrent attempts to connect to several addresses of one backend.

    Args:
        loop: the running loop.
        waiting: the waiter, woken when an attempt succeeds or fails.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, waiting: Waiting) -> None:
        self._loop = loop
        self._waiting = waiting
        self._settled: list[socket.socket] = []
        self.running: dict[socket.socket, Address] = {}
        self.error: OSError = OSError("the name has no address")
        """The error of the last failed attempt."""

    def start(self, address: Address) -> None:
        """Begin to connect to an address."""
        connection: socket.socket | None = None
        try:
            connection = _open(address)
            error = connection.connect_ex(address[1])
            if error not in {0, EINPROGRESS}:
                raise _failure(error, address)
        except OSError as failure:  # Without a socket if this host lacks the address family, or a descriptor.
            if connection is not None:
                connection.close()
            self._failed(address, failure)
            return
        self.running[connection] = address
        self._loop.add_writer(connection, self._settle, connection)

    def winner(self) -> tuple[socket.socket, Address] | None:
        """Return the first connection that was accepted, which the caller owns from here on."""
        while self._settled:
            connection = self._settled.pop(0)
            address = self.running.pop(connection)
            self._loop.remove_writer(connection)
            error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if not error:
                return connection, address
            connection.close()
            self._failed(address, _failure(error, address))
        return None

    def close(self) -> None:
        """Close all attempts that are still running."""
        for connection, address in self.running.items():
            self._loop.remove_writer(connection)
            connection.close()
            self._waiting.passed_over.append(address)
        self.running.clear()

    def _settle(self, connection: socket.socket) -> None:
        if connection not in self._settled:
            self._settled.append(connection)
        self._waiting.client.wake()

    def _failed(self, address: Address, error: OSError) -> None:
        self.error = error
        self._waiting.passed_over.append(address)


def _failure(error: int, address: Address) -> OSError:
    """Return the exception for an error number of `connect`.

    EADDRNOTAVAIL means that the local ports are used up, or that this host has no source address for
    `address` (an IPv6 backend, and no IPv6 here). In the latter case the backend's address is the fault.
    """
    if error == EADDRNOTAVAIL and not _has_source(address):
        error = ENETUNREACH
    return OSError(error, os.strerror(error))


def _has_source(address: Address) -> bool:
    """Return whether this host has a source address for `address`. A datagram socket uses no port."""
    with suppress(OSError), socket.socket(address[0], socket.SOCK_DGRAM) as probe:
        probe.connect(address[1])
        return True
    return False

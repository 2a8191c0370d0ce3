"""The connections of a running wrk, which silently reopens connections that the proxy closes."""

from __future__ import annotations

import time

import psutil

from bench.lib.server import Server, StartError, wait_for
from bench.lib.wrk import Wrk

CONNECT_TIMEOUT = 10.0
"""Seconds within which all connections must be open."""
INTERVAL = 0.25
"""Seconds between two counts; listing thousands of sockets takes milliseconds."""


class Clients:
    """The connections of a wrk that has just started.

    Raises:
        StartError: not all connections are open within 10 s.
    """

    def __init__(self, wrk: Wrk, server: Server, connections: int) -> None:
        self.closed = 0
        """The number of connections that had been closed at the last count."""
        self._process = psutil.Process(wrk.pid)
        self._port = server.port
        if not wait_for(lambda: len(self._ports()) == connections, CONNECT_TIMEOUT):
            raise StartError(f"{server.name} does not accept {connections} connections")
        self._before = self._ports()
        self._counted = time.monotonic()

    def watch(self) -> None:
        """Count again if `INTERVAL` has passed."""
        if time.monotonic() - self._counted > INTERVAL:
            self.count_closed()

    def count_closed(self) -> None:
        """Count the connections that were closed since the last count."""
        now = self._ports()
        self.closed += len(self._before - now)
        self._before = now
        self._counted = time.monotonic()

    def _ports(self) -> set[int]:
        return {
            connection.laddr.port
            for connection in self._process.net_connections("tcp")
            if connection.raddr and connection.raddr.port == self._port and connection.status == "ESTABLISHED"
        }

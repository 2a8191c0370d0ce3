"""The connections of a running wrk: it opens those again that were closed, and does not say so."""

from __future__ import annotations

import time

import psutil

from bench.lib.server import Server, StartError, wait_for
from bench.lib.wrk import Wrk

PATIENCE = 10.0
"""Seconds for all connections to be open."""
EVERY = 0.25
"""Seconds from one look to the next; a look at thousands of sockets takes milliseconds."""


class Clients:
    """The connections of a wrk that has just begun.

    Raises:
        StartError: they are not opened.
    """

    def __init__(self, wrk: Wrk, server: Server, connections: int) -> None:
        self.closed = 0
        """How many were closed, by the last look."""
        self._process = psutil.Process(wrk.pid)
        self._port = server.port
        if not wait_for(lambda: len(self._ports()) == connections, PATIENCE):
            raise StartError(f"{server.name} does not take {connections} connections")
        self._before = self._ports()
        self._looked = time.monotonic()

    def watch(self) -> None:
        """Look again, if it is time."""
        if time.monotonic() - self._looked > EVERY:
            self.look()

    def look(self) -> None:
        """Count the connections that are gone since the last look."""
        now = self._ports()
        self.closed += len(self._before - now)
        self._before = now
        self._looked = time.monotonic()

    def _ports(self) -> set[int]:
        return {
            connection.laddr.port
            for connection in self._process.net_connections("tcp")
            if connection.raddr and connection.raddr.port == self._port and connection.status == "ESTABLISHED"
        }

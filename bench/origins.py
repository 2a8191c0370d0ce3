"""Stamping origins that run: where they are, what they have noted, and the end of each."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.ports import free_port
from bench.server import Command, Server, StartError, serve, wait_for
from bench.stamps import Stamps

REPOSITORY = Path(__file__).parents[1]
START = 20.0
"""Seconds for them to listen."""


@dataclass(frozen=True)
class Origins:
    """So many origins in one process."""

    server: Server
    ports: Sequence[int]
    stamps: Stamps
    """Slots are in the ports' order."""
    control: socket.socket

    def end(self, slot: int) -> None:
        """Let one of them close its connections and listen no more; return when it has."""
        self.control.sendall(b"%d\n" % slot)
        self.control.recv(64)


@contextmanager
def serve_origins(directory: Path, ports: Sequence[int], cores: Sequence[int]) -> Iterator[Origins]:
    """Run origins on these ports for as long as the context lasts.

    Raises:
        StartError: they did not come.
    """
    control, stamps = free_port(), Stamps(directory / "stamps", len(ports))
    argv = [sys.executable, "-m", "bench.stamping_origin", str(directory / "stamps")]
    command = Command([*argv, *map(str, (control, *ports))], {"PYTHONPATH": str(REPOSITORY)})
    with serve("origins", command, control, directory, cores) as server, socket.socket() as connection:
        if not wait_for(lambda: connection.connect_ex(("127.0.0.1", control)) == 0, START):
            raise StartError(f"the origins did not listen within {START:g} s")
        yield Origins(server, ports, stamps, connection)

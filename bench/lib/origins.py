"""Stamping origins that run: where they are, what they have noted, and the end of each."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.lib.ports import free_port
from bench.lib.repository import module_command
from bench.lib.server import Server, StartError, serve, wait_for
from bench.lib.timestamps import Timestamps

START = 20.0
"""Seconds for them to listen."""


@dataclass(frozen=True)
class Origins:
    """So many origins in one process."""

    server: Server
    ports: Sequence[int]
    timestamps: Timestamps
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
    control, timestamps = free_port(), Timestamps(directory / "timestamps", len(ports))
    arguments = (directory / "timestamps", control, *ports)
    command = module_command("bench.lib.timestamping_origin", *map(str, arguments))
    with serve("origins", command, control, directory, cores) as server, socket.socket() as connection:
        if not wait_for(lambda: connection.connect_ex(("127.0.0.1", control)) == 0, START):
            raise StartError(f"the origins did not listen within {START:g} s")
        yield Origins(server, ports, timestamps, connection)

"""A running process of timestamping origins: their ports, their timestamps, and their shutdown."""

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
"""Seconds within which the origins must listen."""


@dataclass(frozen=True)
class Origins:
    """Timestamping origins in one process."""

    server: Server
    ports: Sequence[int]
    timestamps: Timestamps
    """Slot n belongs to `ports[n]`."""
    control: socket.socket

    def end(self, slot: int) -> None:
        """Shut one origin down. It has closed its socket and its connections when the call returns."""
        self.control.sendall(b"%d\n" % slot)
        self.control.recv(64)


@contextmanager
def serve_origins(directory: Path, ports: Sequence[int], cores: Sequence[int]) -> Iterator[Origins]:
    """Run origins on these ports while the context is open.

    Raises:
        StartError: the origins do not listen within 20 s.
    """
    control, timestamps = free_port(), Timestamps(directory / "timestamps", len(ports))
    arguments = (directory / "timestamps", control, *ports)
    command = module_command("bench.lib.timestamping_origin", *map(str, arguments))
    with serve("origins", command, control, directory, cores) as server, socket.socket() as connection:
        if not wait_for(lambda: connection.connect_ex(("127.0.0.1", control)) == 0, START):
            raise StartError(f"the origins did not listen within {START:g} s")
        yield Origins(server, ports, timestamps, connection)

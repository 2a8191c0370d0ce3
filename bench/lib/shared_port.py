"""Several pylbs on one port, which connections reach as they reach the workers of one pylb."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import psutil

from bench.lib.fleet import temporary_directory
from bench.lib.peers.peer import Site
from bench.lib.peers.pylb import Pylb
from bench.lib.repository import module_command
from bench.lib.server import Server, StartError, serve, wait_for
from pylb.config.kinds import Address
from pylb.runtime.sockets import open_groups

START_TIMEOUT = 20.0
"""Seconds within which all must listen."""


def serve_pylbs(
    name: str, origins: Sequence[int], cores: Sequence[int], stack: ExitStack, *, pylbs: int, workers: int
) -> Server:
    """Start pylbs on one port and return all of them as one server.

    They inherit their sockets as with systemd's socket activation, and share one session.

    Args:
        name: the name of the server in tables.
        origins: the ports of their backends on 127.0.0.1.
        cores: their CPU cores.
        stack: stops them when it closes.
        pylbs: the number of pylbs.
        workers: the number of workers of each.

    Raises:
        MissingError: pylb is not installed.
        StartError: not all of them listen within 20 s.
    """
    # A single socket has no SO_REUSEPORT, so the sockets of further workers could not join it.
    [[*sockets, spare]] = open_groups(Address("127.0.0.1", 0), copies=pylbs + 1)
    spare.close()
    descriptors = [stack.enter_context(each).fileno() for each in sockets]
    port = sockets[0].getsockname()[1]
    home = stack.enter_context(temporary_directory())
    program = Pylb(name, workers).command(Site(home, port, tuple(origins)))
    command = module_command(
        "bench.lib.socket_activation",
        ",".join(map(str, descriptors)),
        *program.argv,
        descriptors=descriptors,
    )
    server = stack.enter_context(serve(name, command, port, home, cores))
    if not wait_for(lambda: listening(port) == pylbs * workers, START_TIMEOUT):
        raise StartError(f"{name}: not all of them listen")
    return server


def listening(port: int) -> int:
    """The number of sockets of this machine that listen on the port."""
    everywhere = psutil.net_connections("tcp4")
    return sum(each.status == psutil.CONN_LISTEN and each.laddr[1:] == (port,) for each in everywhere)

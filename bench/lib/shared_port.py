"""Some pylbs on one port, as if they were workers of one: what that is worth shows next to them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import psutil

from bench.lib.fleet import workshop
from bench.lib.peers.peer import Site
from bench.lib.peers.pylb import Pylb
from bench.lib.repository import module_command
from bench.lib.server import Server, StartError, serve, wait_for
from pylb.config.kinds import Address
from pylb.process.sockets import open_groups

PATIENCE = 20.0
"""Seconds for all to take connections."""


def serve_pylbs(
    name: str, origins: Sequence[int], cores: Sequence[int], stack: ExitStack, *, pylbs: int, workers: int
) -> Server:
    """Start pylbs on a port, all of them as one server.

    They get their sockets as from systemd, and belong to one session.

    Args:
        name: what the server is called.
        origins: the ports that they send requests to.
        cores: where they run.
        stack: when it is closed, they end.
        pylbs: how many.
        workers: how many each has.

    Raises:
        MissingError: there is no pylb.
        StartError: not all of them take connections.
    """
    # A socket that was opened alone could not be joined by those of more workers.
    [[*sockets, spare]] = open_groups(Address("127.0.0.1", 0), copies=pylbs + 1)
    spare.close()
    descriptors = [stack.enter_context(each).fileno() for each in sockets]
    port = sockets[0].getsockname()[1]
    home = stack.enter_context(workshop())
    program = Pylb(name, workers).command(Site(home, port, tuple(origins)))
    command = module_command(
        "bench.lib.socket_activation",
        ",".join(map(str, descriptors)),
        *program.argv,
        descriptors=descriptors,
    )
    server = stack.enter_context(serve(name, command, port, home, cores))
    if not wait_for(lambda: listening(port) == pylbs * workers, PATIENCE):
        raise StartError(f"{name}: not all of them listen")
    return server


def listening(port: int) -> int:
    """How many sockets of this machine take connections at a port."""
    everywhere = psutil.net_connections("tcp4")
    return sum(each.status == psutil.CONN_LISTEN and each.laddr[1:] == (port,) for each in everywhere)

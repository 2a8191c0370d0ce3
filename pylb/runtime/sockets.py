"""Listening sockets: opened before anything else, so that a port in use is one line and not half a start.

Several workers get a socket each for the same address. The kernel spreads the connections over them
(SO_REUSEPORT), each with a queue of its own; `Group` is such a set.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from pylb.config.kinds import Address
from pylb.errors import StartError

BACKLOG = 4096
"""Connections that may wait until a worker takes them; the kernel cuts it down to net.core.somaxconn."""

Group = list[socket.socket]
"""Sockets for one and the same address."""


def open_sockets(addresses: tuple[Address, ...], *, option: str = "--listen") -> list[socket.socket]:
    """Bind a socket to each address; a name may stand for several.

    Raises:
        StartError: one cannot be bound; the message names it and says why.
    """
    return [listening for address in addresses for (listening,) in open_groups(address, option=option)]


def open_groups(address: Address, *, copies: int = 1, option: str = "--listen") -> list[Group]:
    """Bind sockets to an address, as many times as there are workers; a name may stand for several addresses.

    Raises:
        StartError: one cannot be bound; the message names it and says why.
    """
    groups: list[Group] = []
    try:
        if address.path:
            groups.append([_bind_path(address.path)])
        else:
            for family, _, _, _, where in socket.getaddrinfo(
                address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            ):
                groups.append([])
                _open(groups[-1], family, where, copies)
    except OSError as error:
        for group in groups:
            close(group)
        raise StartError(f"{option}: cannot listen on {address}: {error.strerror or error}") from None
    return groups


def extend(group: Group, copies: int) -> None:
    """Bind more sockets to a group's address, up to that many, if the ones that are there allow it."""
    first = group[0]
    if first.family != socket.AF_UNIX and first.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT):
        while len(group) < copies:
            group.append(_bind(first.family, first.getsockname(), shared=True))


def share(group: Group, worker: int, workers: int) -> list[socket.socket]:
    """The sockets of a group that one of the workers listens on: each worker has one, no socket has none.

    Args:
        group: for one address.
        worker: from 0.
        workers: how many there are.
    """
    return group[worker::workers] or [group[worker % len(group)]]


def close(group: Group) -> None:
    """Close all sockets of a group."""
    for listening in group:
        listening.close()


def _remove_stale(path: Path) -> None:
    """Remove a socket whose process is gone; anything else stays, and binding to it fails as it should."""
    if path.is_socket():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(os.fspath(path))
            except ConnectionRefusedError:
                path.unlink()


def where(listening: socket.socket) -> str:
    """The address that a socket is bound to, as a log line shows it."""
    name = listening.getsockname()
    if isinstance(name, str | bytes):
        return f"unix:{os.fsdecode(name)}"
    return str(Address(name[0], name[1]))


def _open(group: Group, family: int, where: Any, copies: int) -> None:
    if copies > 1 and where[1]:
        # With SO_REUSEPORT a second pylb could bind the same port, and silently get half of the clients.
        _bind(family, where, shared=False).close()
    group.append(_bind(family, where, shared=copies > 1))
    extend(group, copies)


def _bind(family: int, where: Any, *, shared: bool) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(where)
    except OSError:
        listening.close()
        raise
    return listening


def _bind_path(path: str) -> socket.socket:
    _remove_stale(Path(path))
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(path)
    except OSError:
        listening.close()
        raise
    return listening

"""Listening sockets. They are opened before anything else, so that a port in use is an error of one line.

Each of several workers has a separate socket for the same address. The kernel distributes the connections
over the sockets (SO_REUSEPORT), each with a separate queue. `Group` is such a set of sockets.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from pylb.config.kinds import Address
from pylb.errors import StartError

BACKLOG = 4096
"""Maximum connections that wait for `accept`; the kernel limits it to net.core.somaxconn."""

Group = list[socket.socket]
"""Sockets that are bound to the same address."""


def open_sockets(addresses: tuple[Address, ...], *, option: str = "--listen") -> list[socket.socket]:
    """Bind a socket to each address. A host name may resolve to several.

    Raises:
        StartError: an address cannot be bound; the message contains it and the reason.
    """
    return [listening for address in addresses for (listening,) in open_groups(address, option=option)]


def open_groups(address: Address, *, copies: int = 1, option: str = "--listen") -> list[Group]:
    """Bind `copies` sockets to an address. A host name may resolve to several addresses, each a group.

    Raises:
        StartError: an address cannot be bound; the message contains it and the reason.
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
    """Bind more sockets to the address of a group, up to `copies`, if it uses SO_REUSEPORT."""
    first = group[0]
    if first.family != socket.AF_UNIX and first.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT):
        while len(group) < copies:
            group.append(_bind(first.family, first.getsockname(), shared=True))


def share(group: Group, worker: int, workers: int) -> list[socket.socket]:
    """The sockets of a group that a worker listens on. Each worker has at least one, each socket a worker.

    Args:
        group: the sockets of one address.
        worker: the number of the worker, from 0.
        workers: the number of workers.
    """
    return group[worker::workers] or [group[worker % len(group)]]


def close(group: Group) -> None:
    """Close all sockets of a group."""
    for listening in group:
        listening.close()


def _remove_stale(path: Path) -> None:
    """Remove a Unix socket without a listening process. Other files remain, so that binding fails."""
    if path.is_socket():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(os.fspath(path))
            except ConnectionRefusedError:
                path.unlink()


def where(listening: socket.socket) -> str:
    """The address of a socket, for log lines."""
    name = listening.getsockname()
    if isinstance(name, str | bytes):
        return f"unix:{os.fsdecode(name)}"
    return str(Address(name[0], name[1]))


def _open(group: Group, family: int, where: Any, copies: int) -> None:
    if copies > 1 and where[1]:
        # With SO_REUSEPORT a second pylb could bind the same port and silently receive half of the clients.
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

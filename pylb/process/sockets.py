"""Listening sockets: opened before anything else, so that a port in use is one line and not half a start."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from pylb.config.kinds import Address
from pylb.errors import StartError


def open_sockets(addresses: tuple[Address, ...], *, option: str = "--listen") -> list[socket.socket]:
    """Bind a socket to each address; a name may stand for several.

    Raises:
        StartError: one cannot be bound; the message names it and says why.
    """
    sockets: list[socket.socket] = []
    for address in addresses:
        try:
            sockets += _open(address)
        except OSError as error:
            for opened in sockets:
                opened.close()
            raise StartError(f"{option}: cannot listen on {address}: {error.strerror or error}") from None
    return sockets


def _open(address: Address) -> list[socket.socket]:
    if address.path:
        _remove_stale(Path(address.path))
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(address.path)
        return [listening]
    sockets = []
    for family, kind, protocol, _, where in socket.getaddrinfo(
        address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    ):
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(where)
        sockets.append(listening)
    return sockets


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

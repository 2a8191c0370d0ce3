"""Ports of 127.0.0.1 for programs that must be told theirs, as they cannot say which one they got."""

from __future__ import annotations

import random
import socket

EPHEMERAL = 32_768
"""The first port that the kernel gives to outgoing connections."""


def free_port() -> int:
    """A port that nothing uses, over TCP or UDP, and that nobody else is given while this process lives.

    It is below the ephemeral range, so no outgoing connection takes it before the program does, or while the
    program is down.
    """
    while True:
        port = random.randrange(10_000, EPHEMERAL)
        reservation = _reserve(port)
        if reservation is None:
            continue
        if _is_unused(port):
            reservation.detach()  # Its descriptor stays open until the process ends.
            return port
        reservation.close()


def free_ports(count: int) -> list[int]:
    """So many of them."""
    return [free_port() for _ in range(count)]


def _reserve(port: int) -> socket.socket | None:
    """A mark that all processes see and that ends with its owner: an abstract Unix address is taken once."""
    mark = socket.socket(socket.AF_UNIX)
    try:
        mark.bind(f"\0pylb-port-{port}")
    except OSError:
        mark.close()
        return None
    return mark


def _is_unused(port: int) -> bool:
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        try:
            tcp.bind(("127.0.0.1", port))
            udp.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

"""Free ports of 127.0.0.1 for programs that take a port number and cannot report one they chose."""

from __future__ import annotations

import random
import socket

EPHEMERAL = 32_768
"""The first port that the kernel assigns to outgoing connections."""


def free_port() -> int:
    """Return a port that is unused over TCP and UDP.

    No other call of this function, in any process, returns the port while this process runs. The port is
    below the ephemeral range, so no outgoing connection occupies it before the program starts or between
    restarts.
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
    """Return `count` free ports."""
    return [free_port() for _ in range(count)]


def _reserve(port: int) -> socket.socket | None:
    """Reserve the port for this process, or return None if another process has reserved it.

    The reservation is an abstract Unix socket: the kernel allows one owner and removes it with the process.
    """
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

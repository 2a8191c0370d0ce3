"""The idle connections of a backend: which one carries the next request, and when they are closed.

The connections are in the list `Backend.idle`, in the order in which they became idle. A connection joins and
leaves the list by itself when its exchange or its transport ends (`proxy/upstream/h1.py`).
"""

from __future__ import annotations

from time import monotonic

from pylb.policy.backend import Backend
from pylb.proxy.upstream.h1 import H1Upstream
from pylb.proxy.waiter import Waiter


def reuse(idle: list[H1Upstream], client: Waiter, *, careful: bool) -> H1Upstream | None:
    """Take the idle connection that was used last; None if no live one exists.

    Args:
        idle: the connections to choose from, in the order in which they became idle.
        client: the waiter that takes the connection.
        careful: ask the kernel whether the backend has just closed it. This costs a system call, and is for
            requests that must not be sent twice.
    """
    while idle:
        upstream = idle.pop()
        if careful and upstream.readable():
            upstream.transport.abort()
            continue
        upstream.client = client
        return upstream
    return None


def close_idle(backend: Backend, before: float = float("inf")) -> None:
    """Close the idle connections that were last used before a moment; by default all."""
    idle = backend.idle
    while idle and idle[0].idle_since < before:
        idle.pop(0).transport.close()
    if backend.multiplexed is not None:
        backend.multiplexed.tick(monotonic(), before)


def close_unused(backend: Backend) -> None:
    """Close all connections without an exchange, also those bound to a client."""
    close_idle(backend)
    for connection in tuple(backend.connections):
        connection.close_unused()


def retire(backend: Backend) -> None:
    """Close all connections without an exchange, and the others after their exchange."""
    for connection in tuple(backend.connections):
        connection.retire()
    backend.idle.clear()


def abandon(backend: Backend) -> None:
    """Abort all connections to a backend. Requests in flight fail as if the backend had crashed."""
    for connection in tuple(backend.connections):
        connection.transport.abort()

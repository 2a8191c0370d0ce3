"""How many files this process may have open, and how many clients that lets in."""

from __future__ import annotations

import logging
import resource
import sys

log = logging.getLogger("pylb")

RESERVE = 64
"""Descriptors that are needed for everything but clients, their backends and operators."""
PER_CLIENT = 2
"""A client's connection, and one to a backend."""
OPERATORS = range(8, 257)
"""Connections that the admin port may have, at least and at most."""
OPERATORS_SHARE = 8
"""One in so many descriptors may be such a connection."""


def raise_limit() -> int:
    """Raise the limit of open files as far as it goes without being root; return what it is now.

    A soft limit of 1024 is there for programs that use `select`, which we do not.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def most_operators(limit: int) -> int:
    """How many connections the admin port may have in a process with that many descriptors."""
    return min(max(limit // OPERATORS_SHARE, OPERATORS.start), OPERATORS[-1])


def most_clients(limit: int, *, admin: bool) -> int:
    """How many clients a process with that many descriptors can serve at a time.

    Args:
        limit: descriptors.
        admin: whether the admin port is in the same process.
    """
    return max(1, (limit - RESERVE - (most_operators(limit) if admin else 0)) // PER_CLIENT)


def admissible(wanted: int, *, admin: bool) -> int:
    """How many clients this process lets in: as many as are wanted, if there are descriptors for them.

    Args:
        wanted: 0 for any number.
        admin: whether the admin port is in the same process.
    """
    return min(wanted or sys.maxsize, most_clients(raise_limit(), admin=admin))


def tell_shortage(wanted: int, *, admin: bool) -> None:
    """Say, for all processes, that they will let in fewer clients than are wanted, if so it is."""
    limit = raise_limit()
    if wanted > (most := most_clients(limit, admin=admin)):
        log.info(
            "--max-connections: %d open files (ulimit -n) are enough for %d clients of a worker, not for %d",
            limit,
            most,
            wanted,
        )

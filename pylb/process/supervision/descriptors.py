"""How many files this process may have open, and how many clients that lets in."""

from __future__ import annotations

import logging
import resource
import sys

log = logging.getLogger("pylb")

RESERVE = 64
"""Descriptors that are needed for everything but clients and their backends."""
PER_CLIENT = 2
"""A client's connection, and one to a backend."""


def raise_limit() -> int:
    """Raise the limit of open files as far as it goes without being root; return what it is now.

    A soft limit of 1024 is there for programs that use `select`, which we do not.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def most_clients(limit: int) -> int:
    """How many clients a process with that many descriptors can serve at a time."""
    return max(1, (limit - RESERVE) // PER_CLIENT)


def admissible(wanted: int) -> int:
    """How many clients this process lets in: as many as are wanted, if there are descriptors for them.

    Args:
        wanted: 0 for any number.
    """
    return min(wanted or sys.maxsize, most_clients(raise_limit()))


def tell_shortage(wanted: int) -> None:
    """Say, for all processes, that they will let in fewer clients than are wanted, if so it is."""
    limit = raise_limit()
    if wanted > (most := most_clients(limit)):
        log.info(
            "--max-connections: %d open files (ulimit -n) are enough for %d clients of a worker, not for %d",
            limit,
            most,
            wanted,
        )

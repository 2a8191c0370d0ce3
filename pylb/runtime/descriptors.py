"""The limit of open files, and the number of client connections that it permits."""

from __future__ import annotations

import logging
import resource
import sys

log = logging.getLogger("pylb")

RESERVE = 64
"""Descriptors reserved for everything except clients and backends."""
PER_CLIENT = 2
"""Descriptors per client: its connection, and one to a backend."""
OPERATORS = range(8, 257)
"""Minimum and maximum connections of the admin port."""
OPERATORS_SHARE = 8
"""The admin port may use one in this many descriptors."""


def raise_limit() -> int:
    """Raise the soft limit of open files to the hard limit; return the new limit.

    The usual soft limit of 1024 protects programs that use `select`, which pylb does not.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def most_operators(limit: int) -> int:
    """The maximum connections of the admin port in a process with this many descriptors."""
    return min(max(limit // OPERATORS_SHARE, OPERATORS.start), OPERATORS[-1])


def most_clients(limit: int) -> int:
    """The maximum client connections of a process with this many descriptors."""
    return max(1, (limit - RESERVE) // PER_CLIENT)


def admissible(wanted: int) -> int:
    """The client connections that this process accepts: those wanted, limited by its descriptors.

    Args:
        wanted: the configured maximum; 0 for no limit.
    """
    return min(wanted or sys.maxsize, most_clients(raise_limit()))


def log_shortage(wanted: int) -> None:
    """Log, once for all processes, if the descriptors permit fewer clients than configured."""
    limit = raise_limit()
    if wanted > (most := most_clients(limit)):
        log.info(
            "--max-connections: the limit of %d open files (ulimit -n) permits %d clients per worker, not %d",
            limit,
            most,
            wanted,
        )

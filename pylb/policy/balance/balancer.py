"""The interface of a balancing policy."""

from __future__ import annotations

from typing import Protocol

from pylb.policy.backend import Backend


class Balancer(Protocol):
    """Chooses among a fixed set of backends.

    Built as `Policy(backends, rng)`; every backend has a weight above 0. A pick must take less than 1 µs
    up to 10,000 backends: prepare in the constructor, which runs once per change of the pool.
    """

    @property
    def reads_load(self) -> bool:
        """Whether `pick` compares the load of all backends.

        If so, a pool that shares its load with other workers refreshes all backends before each pick. A
        policy that compares only a few leaves this False and calls `Backend.refresh` on those.
        """
        ...

    def pick(self, key: bytes | None = None) -> Backend:
        """Return the backend for the next attempt. The pool calls it only while there is at least one.

        Args:
            key: what the route hashes requests on. None if the route defines no key or the request lacks it;
                a keyed policy then chooses as if it had no key. A policy without a key ignores it.
        """
        ...

"""What a balancing policy is."""

from __future__ import annotations

from typing import Protocol

from pylb.policy.backend import Backend


class Balancer(Protocol):
    """Chooses among a fixed set of backends.

    Built as `Policy(backends, rng)`; every backend has a weight above 0. A pick must stay under 1 µs
    up to 10,000 backends: prepare in the constructor, which runs once per change of the pool.
    """

    def pick(self) -> Backend:
        """The backend for the next attempt. Called only when there is at least one."""
        ...

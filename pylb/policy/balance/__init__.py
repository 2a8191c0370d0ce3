"""Balancing policies by name. A policy is a class: built from the eligible backends, asked for one at a time.

It is rebuilt at each change of the pool, so it may prepare whatever makes `pick` cheap, and it never has to
ask whether a backend is healthy. Add one: write the class in a file of its own, name it here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from pylb.policy.backend import Backend
from pylb.policy.balance.balancer import Balancer
from pylb.policy.balance.least_connections import least_connections
from pylb.policy.balance.random import PowerOfTwo, RandomChoice
from pylb.policy.balance.round_robin import RoundRobin

BALANCERS: dict[str, Callable[[Sequence[Backend], Random], Balancer]] = {
    "least-connections": least_connections,
    "round-robin": RoundRobin,
    "random-two": PowerOfTwo,
    "random": RandomChoice,
}

__all__ = ["BALANCERS", "Balancer"]

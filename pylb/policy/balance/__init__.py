"""Balancing policies: which of the eligible backends receives the next attempt.

A policy is a class (or a function that returns one) in a file of this folder, and its name in `BALANCERS`.
The pool builds it from the backends that may be picked, and builds it again whenever that set or a weight
changes. A policy may therefore precompute anything that makes `pick` cheap, and it never checks health,
limits or slow start: the pool applies these rules to every policy.

A policy may not do I/O, read a clock or change a backend.

Glossary:
    Policy: a name that a user gives with `--policy`, and the rule behind it.
    Balancer: a policy built for one set of backends; `pick(key)` returns the backend for the next attempt.
    Key: what a keyed policy hashes, for example a client address or a cookie; None if the request has none.
    Weight: a backend's share of the requests relative to its peers; always above 0 here.
    Load: requests in flight per unit of weight, in all workers together.
    Limit: the number of requests that a backend accepts at a time (`max_conn`); `Limited` enforces it.
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

"""Balancing policies: which of the eligible backends receives the next attempt.

A policy is a file of this folder, and its name in `config.backends.POLICIES`: the file of `random-two` is
`random_two.py`. Its `build(backends, rng)`, a class or a function, returns a `Balancer`.
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
from pkgutil import resolve_name
from random import Random

from pylb.config.backends import POLICIES
from pylb.policy.backend import Backend
from pylb.policy.balance.balancer import Balancer

BALANCERS: dict[str, Callable[[Sequence[Backend], Random], Balancer]] = {
    name: resolve_name(f"{__name__}.{name.replace('-', '_')}:build") for name in POLICIES
}

__all__ = ["BALANCERS", "Balancer"]

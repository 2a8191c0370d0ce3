"""How a pool picks: the balancer of its policy for the eligible backends, within their limits.

The pool builds a new balancer when the set of eligible backends or a weight changes. A policy with a table
also follows the members of the pool, of which the eligible ones are a part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from random import Random

from pylb.config.backends import Balancing
from pylb.policy.backend import Backend
from pylb.policy.balance import BALANCERS, Balancer
from pylb.policy.balance.hash import HashPolicy, Steps
from pylb.policy.balance.limited import Limited
from pylb.policy.balance.sessions import SessionTable, Sticky
from pylb.policy.balance.tiered import Tiered
from pylb.policy.queue import Queue
from pylb.policy.tiers import Rank, rank

REDRAWS = 3
"""Picks that may return a backend already tried, before a balancer of the others alone is built. In a large
pool one pick usually suffices, and a new balancer costs as much there as a change of the pool."""

HASH = "hash"
"""The name of the policy with a table."""


class Picker:
    """Picks among the eligible backends of one pool.

    Args:
        options: the policy.
        queue: the requests that wait for a backend with capacity.
        rng: source of every random choice.
        events: counts requests without a key, and sessions that begin or move.
        run: runs the steps in which a table is made.
        service: the service of the pool.
        secret: the key of sessions.
    """

    def __init__(
        self,
        options: Balancing,
        queue: Queue,
        rng: Random,
        events: Counter[str],
        *,
        run: Steps,
        service: str,
        secret: bytes,
    ) -> None:
        self._queue, self._rng, self._events, self._run = queue, rng, events, run
        self._service, self._secret = service, secret
        self._table: HashPolicy | None = None
        self.set_policy(options.policy, options)
        self.build((), {})

    def set_policy(self, name: str, options: Balancing) -> None:
        """Use a policy for the balancers that are built from now on."""
        self.policy = name
        """A key of `BALANCERS`."""
        if name != HASH:
            self._table = None
        elif self._table is None:
            self._table = HashPolicy(options.hash_balance_factor, self._events)
        else:  # Its table stays, so that keys keep their backends.
            self._table.balance_factor = options.hash_balance_factor
        self._make = self._table or BALANCERS[name]
        self._sessions = SessionTable(self._service, self._secret, self._events) if options.sticky else None

    def update(self, members: Collection[Backend]) -> None:
        """Follow a change of the pool's members, or of their weights."""
        if self._table is not None:
            self._run(self._table.update(members))
        if self._sessions is not None:
            self._sessions.update(members)

    def in_session(self, key: bytes | None) -> bool:
        """Whether a request continues a session whose backend can serve it."""
        return self._sessions is not None and self._sessions.backend(key) is not None

    def build(self, eligible: Sequence[Backend], shares: Mapping[Rank, float]) -> None:
        """Build the balancer of these backends.

        Args:
            eligible: the backends that may be picked.
            shares: the part of the traffic of each tier, by rank; none if the tiers do not matter.
        """
        self.eligible, self.shares = eligible, shares
        tiers = [tier for tier, share in shares.items() if share > 0]
        self.unlimited = self._tiered(eligible, shares) if len(tiers) > 1 else self._balance(eligible)
        """The balancer without limits."""
        if self._sessions is not None:
            self.unlimited = Sticky(self._sessions, self.unlimited)
        self.balancer = self._limited(self.unlimited, eligible)
        """The balancer that leases use: `unlimited`, wrapped in `Limited` if a backend has a limit."""

    def another(self, tried: Collection[Backend], key: bytes | None) -> Backend:
        """Return a backend that was not tried; one that was tried if there is no other."""
        for _ in range(REDRAWS if key is None else 1):  # A keyed policy returns the same backend again.
            backend = self.balancer.pick(key)
            if backend not in tried:
                return backend
        others = [backend for backend in self.eligible if backend not in tried]
        return self._limited(self._balance(others), others).pick(key) if others else backend

    def upcoming(self, key: bytes | None) -> Backend:
        """Return what the next pick would return. The call changes nothing."""
        shared = {id(backend): backend for backend in self.eligible}
        chances = self._rng.getstate()
        try:
            return deepcopy(self.unlimited, shared).pick(key)
        finally:
            self._rng.setstate(chances)

    def _balance(self, backends: Sequence[Backend]) -> Balancer:
        return self._make(backends, self._rng)

    def _tiered(self, eligible: Sequence[Backend], shares: Mapping[Rank, float]) -> Balancer:
        """Build the balancer of several tiers."""
        by_tier = [
            (share, self._balance([b for b in eligible if rank(b) == tier]))
            for tier, share in shares.items()
            if share > 0
        ]
        return Tiered(by_tier, self._rng)

    def _limited(self, policy: Balancer, backends: Sequence[Backend]) -> Balancer:
        """Wrap the policy so that it respects limits, if any backend has one."""
        limited = any(backend.limited for backend in backends)
        return Limited(policy, backends, self._queue) if limited else policy

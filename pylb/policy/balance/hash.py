"""The policy `hash`: requests with the same key receive the same backend, in every worker and on every node.

The Maglev table is made of all members of the pool, whether healthy or not, so a backend that fails and
returns moves only the keys of its slots. A pick skips a member that may not be picked, has no capacity, has
more than its share of requests in flight, or is too young for the key, and takes the next slot.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Generator, Sequence
from copy import deepcopy
from math import ceil
from random import Random
from typing import Any
from zlib import crc32

from pylb.policy.backend import Backend
from pylb.policy.balance import least_connections
from pylb.policy.balance.balancer import Balancer
from pylb.policy.balance.maglev import build_table

MAX_SKIPPED = 32
"""Slots after which the plain policy picks."""

MIN_BOUND = 4
"""Requests that a backend may always have in flight, whatever the mean: a few do not make it slow."""

MEASURED_EVERY = 64
"""Picks after which the mean is measured again, also in a small pool; before, if a backend is above it."""

NO_KEY = "no_key"
"""The event of a request without a key."""


class HashPolicy:
    """The table of one pool, and the balancers that use it.

    Args:
        balance_factor: the greatest load of a backend in percent of the mean (HAProxy's
            `hash-balance-factor`); 0 for no limit.
        events: counts requests without a key.
    """

    def __init__(self, balance_factor: int, events: Counter[str]) -> None:
        self.balance_factor = balance_factor
        self.events = events
        self.slots: list[Backend] = []
        """The backend of each slot; empty until the first table is complete. The first `MAX_SKIPPED` follow
        again after the last one, so that a pick need not go around."""
        self._weights: dict[Backend, float] = {}

    def update(self, members: Collection[Backend]) -> Generator[None, None, None] | None:
        """Return the steps that make the table of these members; None if it does not change.

        Until the last step the old table serves. Slow start does not change it.
        """
        weights = {member: float(member.full_weight) for member in members if member.full_weight > 0}
        if weights == self._weights:
            return None
        self._weights = weights
        return self._build(weights)

    def _build(self, weights: dict[Backend, float]) -> Generator[None, None, None]:
        if not weights:
            self.slots = []
            return
        table = yield from build_table({member.name: weight for member, weight in weights.items()})
        if weights is self._weights:  # Otherwise a later change has made these steps obsolete.
            members = sorted(weights, key=lambda member: member.name)
            slots = [members[index] for index in table]
            self.slots = slots + slots[:MAX_SKIPPED]

    def __call__(self, backends: Sequence[Backend], rng: Random) -> Balancer:
        """Build a balancer of the backends that may be picked."""
        return Hashed(self, backends, least_connections.build(backends, rng))


class Hashed:
    """Picks by key among a set of backends.

    Args:
        policy: the table.
        backends: the backends that may be picked.
        plain: picks for requests without a key, and where no slot near the key's has capacity.
    """

    __slots__ = ("_backends", "_bound", "_left", "_plain", "_policy", "_set", "reads_load")

    def __init__(self, policy: HashPolicy, backends: Sequence[Backend], plain: Balancer) -> None:
        self._policy = policy
        self._backends = backends
        self._set = frozenset(backends)
        self._plain = plain
        self.reads_load = plain.reads_load
        self._bound = MIN_BOUND
        """Requests in flight up to which a backend takes another."""
        self._left = 0
        """Picks until the bound is computed again, so that a pick costs the same in a large pool."""

    def pick(self, key: bytes | None = None) -> Backend:
        """Return the backend of the key, or the next one in the table that takes it."""
        slots = self._policy.slots
        if key is None:
            self._policy.events[NO_KEY] += 1
            return self._plain.pick()
        if not slots:
            return self._plain.pick()
        if self._policy.balance_factor:
            self._left -= 1
            if self._left < 0:
                self._measure()
        hashed = crc32(key)
        slot = hashed % (len(slots) - MAX_SKIPPED)
        for backend in slots[slot : slot + MAX_SKIPPED]:
            if backend in self._set and self._takes(backend, hashed):
                return backend
        return self._plain.pick()

    def _takes(self, backend: Backend, hashed: int) -> bool:
        """Return whether a backend takes another request with this hash."""
        if backend.inflight >= backend.limit:
            return False
        if self._policy.balance_factor:
            backend.refresh()
            if backend.inflight + backend.elsewhere >= self._bound:
                self._measure_again()
                if backend.inflight + backend.elsewhere >= self._bound:
                    return False
        return backend.ramp_fraction >= 1 or (hashed >> 8) % 1000 < 1000 * backend.ramp_fraction

    def _measure_again(self) -> None:
        """Measure if there were enough picks since the last time: the load may have grown."""
        usual = max(len(self._backends), MEASURED_EVERY)
        if usual - self._left >= usual // 8:
            self._measure()

    def _measure(self) -> None:
        """Compute the bound from the mean of the requests in flight, rounded up."""
        backends = self._backends
        for backend in backends:
            backend.refresh()
        total = 1 + sum([backend.inflight + backend.elsewhere for backend in backends])
        mean = total / (len(backends) or 1)
        self._bound = max(MIN_BOUND, ceil(mean * self._policy.balance_factor / 100))
        self._left = max(len(backends), MEASURED_EVERY)

    def __deepcopy__(self, memo: dict[int, Any]) -> Hashed:
        """Copy what a pick changes: the plain policy."""
        return Hashed(self._policy, self._backends, deepcopy(self._plain, memo))


def build(backends: Sequence[Backend], rng: Random) -> Balancer:
    """Build the policy without a table, for requests without a key."""
    return HashPolicy(0, Counter())(backends, rng)


def run_at_once(steps: Generator[None, None, None] | None) -> None:
    """Run all steps of an update."""
    for _ in steps or ():
        pass


Steps = Callable[[Generator[None, None, None] | None], None]
"""Runs the steps of an update, at once or between other work."""

"""Tiers: backends of one rank, of which the best tier with enough capacity receives the requests.

The rule is Envoy's ("Priority levels"). A tier is available to 140 % of the share of its capacity that is
healthy, so that it may lose two of seven equal backends before another tier helps. The best tier receives as
much of the traffic as it is available, the next one what is left, and so on. If all tiers together have less
than everything, they divide the traffic in proportion.

A tier that recovers receives its requests back after `RETURN_TIME`, unless they are needed there: a backend
that flaps does not move the traffic between tiers each time. Nothing here applies to a pool of one rank.

The rank is the priority of an instance, and whether it runs in another zone than pylb.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from pylb.model import PLAIN, PoolState
from pylb.policy.backend import Backend, State
from pylb.policy.rows import BackendRow

OVERPROVISIONING = 1.4
"""How much more than its usual part a healthy backend is supposed to serve (Envoy: 140 %)."""

RETURN_TIME = 10.0
"""Seconds for which a tier is better before it receives more of the traffic."""

Rank = tuple[int, bool]
"""The priority, and whether the instance runs in another zone. The lowest rank is the best."""

LAST: Rank = (2**31, True)
"""A rank that no tier exceeds."""

ENOUGH = 1 - 1e-9
"""A sum of availabilities that is everything, in spite of rounding."""

NO_CAPACITY = frozenset({"duplicate", "invalid"})
"""Causes of the exclusion of instances that are no capacity of their tier: of another one, or of none."""

Candidate = TypeVar("Candidate", Backend, BackendRow)


def rank(candidate: Backend | BackendRow) -> Rank:
    """Return the rank of a backend."""
    return candidate.endpoint.priority, candidate.overlay.other_zone


def excluded_weights(state: PoolState) -> dict[Rank, float]:
    """Return the weight of each tier that the registry or an operator excludes, by rank.

    It is a part of the tier's capacity: three of seven instances are no healthy tier because the checks of
    four fail.
    """
    weights: defaultdict[Rank, float] = defaultdict(float)
    overlays = dict(state.overlays) if state.excluded else {}
    for each in state.excluded:
        if each.cause not in NO_CAPACITY:
            endpoint = each.endpoint
            weights[endpoint.priority, overlays.get(endpoint.key, PLAIN).other_zone] += endpoint.weight
    return {tier: weight for tier, weight in weights.items() if weight}


def availabilities(candidates: Iterable[Candidate], excluded: Mapping[Rank, float]) -> dict[Rank, float]:
    """Return the availability of each tier by rank, from 0 to 1, the best tier first.

    Args:
        candidates: the backends of the pool whose weight is above 0.
        excluded: what `excluded_weights` returned.
    """
    healthy: defaultdict[Rank, float] = defaultdict(float)
    total = defaultdict[Rank, float](float, excluded)
    for candidate in candidates:
        tier, weight = rank(candidate), candidate.endpoint.weight or 1
        total[tier] += weight
        if candidate.state is State.UP:
            healthy[tier] += weight
    return {tier: min(1.0, OVERPROVISIONING * healthy[tier] / total[tier]) for tier in sorted(total)}


def traffic_shares(available: Mapping[Rank, float]) -> dict[Rank, float]:
    """Return the part of the traffic of each tier; all are 0 if none is available.

    Args:
        available: by rank, in the order of `availabilities`.
    """
    left = 1.0
    taken = {}
    for tier, share in available.items():
        taken[tier] = min(left, share)
        left = max(0.0, left - share)
    total = min(1.0, sum(available.values()))
    return {tier: share / total for tier, share in taken.items()} if total else taken


def in_use(candidates: Sequence[Candidate], shares: Mapping[Rank, float]) -> list[Candidate]:
    """Return the backends whose tier receives requests.

    Args:
        candidates: backends of the pool.
        shares: what `traffic_shares` returned.
    """
    return [candidate for candidate in candidates if shares[rank(candidate)] > 0]


class Tiers:
    """The tiers of one pool over time."""

    def __init__(self) -> None:
        self.shares: dict[Rank, float] = {}
        """The part of the traffic of each tier; empty for a pool of one rank."""
        self.enough = False
        """Whether all tiers together are as available as one whole tier."""
        self._excluded: dict[Rank, float] = {}
        self._available: dict[Rank, float] = {}
        """Availabilities that are in effect."""
        self._better_since: dict[Rank, float] = {}
        """When a tier became better than it is in effect, in monotonic seconds."""

    @property
    def recovering(self) -> bool:
        """Whether a tier is better than it is in effect, so that time alone changes them."""
        return bool(self._better_since)

    def apply(self, state: PoolState) -> None:
        """Store what the new state of the pool excludes. `update` follows."""
        self._excluded = excluded_weights(state)

    def update(self, candidates: Sequence[Backend], now: float) -> None:
        """Compute the shares for the present state of the backends.

        Args:
            candidates: the backends of the pool whose weight is above 0.
            now: monotonic seconds.
        """
        if len({*map(rank, candidates), *self._excluded}) < 2:
            self.shares, self._available, self._better_since, self.enough = {}, {}, {}, False
            return
        available = availabilities(candidates, self._excluded)
        effective = {p: min(share, self._available.get(p, share)) for p, share in available.items()}
        if sum(effective.values()) < ENOUGH:
            effective = available  # What has recovered is needed.
        better = {p: self._better_since.get(p, now) for p in available if available[p] > effective[p]}
        due = [p for p, since in better.items() if now - since >= RETURN_TIME]
        self._available = effective | {p: available[p] for p in due}
        self._better_since = {p: since for p, since in better.items() if p not in due}
        self.enough = sum(available.values()) >= ENOUGH
        self.shares = traffic_shares(self._available)

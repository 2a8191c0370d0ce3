"""Balancing across tiers: draws a tier by its part of the traffic, and picks in it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from random import Random
from zlib import crc32

from pylb.policy.backend import Backend
from pylb.policy.balance.balancer import Balancer


class Tiered:
    """Picks in one of several tiers. The same key has the same tier while the shares are the same.

    Args:
        tiers: the part of the traffic of each tier, above 0, and its balancer; the shares together are 1.
        rng: draws the tier of a request without a key.
    """

    __slots__ = ("_bounds", "_rng", "_tiers", "reads_load")

    def __init__(self, tiers: Sequence[tuple[float, Balancer]], rng: Random) -> None:
        self._rng = rng
        self._tiers = [balancer for _, balancer in tiers]
        self._bounds = [*accumulate(share for share, _ in tiers[:-1])]
        self.reads_load = any(balancer.reads_load for balancer in self._tiers)

    def pick(self, key: bytes | None = None) -> Backend:
        """Return a backend of the tier that was drawn."""
        point = self._rng.random() if key is None else crc32(key) / 2**32
        for bound, balancer in zip(self._bounds, self._tiers, strict=False):
            if point < bound:
                return balancer.pick(key)
        return self._tiers[-1].pick(key)

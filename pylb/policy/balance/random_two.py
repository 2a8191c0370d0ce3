"""The policy `random-two`: the less loaded of two backends that are drawn by weight."""

from __future__ import annotations

from pylb.policy.backend import Backend
from pylb.policy.balance.random import RandomChoice


class PowerOfTwo(RandomChoice):
    """Draws two different backends by weight and picks the one with less load.

    This is the power of two choices (Mitzenmacher): nearly as even as comparing every backend, at the price
    of comparing two. Envoy's LEAST_REQUEST and HAProxy's `random(2)` do the same. If both have the same load,
    the one drawn first is picked, so that an idle pool is served in proportion to weight.
    """

    __slots__ = ()

    def pick(self, key: bytes | None = None) -> Backend:
        """Return the less loaded of two random backends."""
        backends, random, equal = self._backends, self._random, self._equal
        # The second one is drawn from the line without the interval of the first one.
        if equal:
            one = int(random() * equal)
            other = int(random() * (equal - 1))
            first, second = backends[one], backends[other if other < one else other + 1]
        else:
            one = self._index(random() * self._total)
            first = backends[one]
            point = random() * (self._total - first.weight)
            other = self._index(point if point < self._starts[one] else point + first.weight)
            # Rounding may lead back into the interval that was cut out; index -1 is the last backend.
            second = backends[other if other != one else one - 1]
        first.refresh()
        second.refresh()
        return second if second.load < first.load else first


build = PowerOfTwo

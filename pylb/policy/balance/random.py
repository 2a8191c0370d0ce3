"""Random choice by weight: one draw, or the better of two."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from random import Random

from pylb.policy.backend import Backend


class RandomChoice:
    """Each pick independent of the last, in proportion to weight.

    The backends' shares lie side by side on a line, and a pick is a random point on it. Equal weights, the
    usual case, need no look-up for whose share that is: it saves half of the time in a pool of thousands.
    """

    __slots__ = ("_backends", "_equal", "_random", "_starts", "_total")

    def __init__(self, backends: Sequence[Backend], rng: Random) -> None:
        weights = [backend.weight for backend in backends]
        *starts, total = accumulate(weights, initial=0.0)
        self._backends = tuple(backends)
        self._random = rng.random
        self._starts = starts
        """Where each share begins; the last one ends at the total."""
        self._total = total
        self._equal = len(weights) if len(weights) > 1 and min(weights) == max(weights) else 0
        """How many there are, if they are equal and there is a choice."""

    def pick(self) -> Backend:
        """A random backend."""
        if self._equal:
            return self._backends[int(self._random() * self._equal)]
        return self._backends[bisect(self._starts, self._random() * self._total) - 1]


class RandomTwo(RandomChoice):
    """Two different backends are drawn by weight, the one with less load per weight is taken.

    The power of two choices (Mitzenmacher): nearly as even as looking at every backend, at the price of
    looking at two. Envoy's LEAST_REQUEST and HAProxy's `random(2)` do the same. Between equals the first
    drawn is taken, so that an idle pool is served in proportion to weight.
    """

    __slots__ = ()

    def pick(self) -> Backend:
        """The less loaded of two random backends."""
        backends, random, equal = self._backends, self._random, self._equal
        # The second is drawn from what is left of the line when the first one's share is cut out.
        if equal:
            one = int(random() * equal)
            other = int(random() * (equal - 1))
            first, second = backends[one], backends[other if other < one else other + 1]
        else:
            starts, total = self._starts, self._total
            one = bisect(starts, random() * total) - 1
            first = backends[one]
            point = random() * (total - first.weight)
            second = backends[bisect(starts, point if point < starts[one] else point + first.weight) - 1]
        return second if second.load < first.load else first

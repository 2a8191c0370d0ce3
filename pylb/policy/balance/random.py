"""Random choice by weight: one draw, or the better of two."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from math import inf
from random import Random

from pylb.policy.backend import Backend


class RandomChoice:
    """Each pick independent of the last, in proportion to weight.

    Equal weights, the usual case, need no more than a random place. Else the backends' shares lie side by
    side on a line, and a pick is a random point on it. Whose share the point lies in is looked up in a table
    with as many cells as there are backends: it names the share in which a cell begins, and on average no
    more than one other begins in the same cell (Chen and Asau's guide table). So it costs much the same for
    ten thousand backends as for ten, where a binary search takes longer and longer.
    """

    __slots__ = ("_backends", "_cells", "_equal", "_guide", "_random", "_starts", "_total")

    def __init__(self, backends: Sequence[Backend], rng: Random) -> None:
        weights = [backend.weight for backend in backends]
        self._backends = tuple(backends)
        self._random = rng.random
        self._equal = len(weights) if len(weights) > 1 and min(weights) == max(weights) else 0
        """How many there are, if they are equal and there is a choice."""
        *starts, self._total = accumulate(weights, initial=0.0)
        self._starts = [*starts, inf]
        """Where each share begins. None begins after the last one, so rounding cannot lead beyond it."""
        width = self._total / (len(weights) or 1)
        self._guide = [bisect(starts, cell * width) - 1 for cell in range(len(weights) + 1)]
        self._cells = 1 / (width or 1)
        """Cells per unit of weight."""

    def pick(self) -> Backend:
        """A random backend."""
        if self._equal:
            return self._backends[int(self._random() * self._equal)]
        return self._backends[self._owner(self._random() * self._total)]

    def _owner(self, point: float) -> int:
        """Whose share `point` lies in."""
        starts = self._starts
        place = self._guide[int(point * self._cells)]
        while starts[place + 1] <= point:
            place += 1
        return place


class PowerOfTwo(RandomChoice):
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
            one = self._owner(random() * self._total)
            first = backends[one]
            point = random() * (self._total - first.weight)
            second = backends[self._owner(point if point < self._starts[one] else point + first.weight)]
        first.refresh()
        second.refresh()
        return second if second.load < first.load else first

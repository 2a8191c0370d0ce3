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

    The backends' shares lie side by side on a line, and a pick is a random point on it. Whose share the point
    lies in is looked up in a table with as many cells as there are backends: it names the share in which a
    cell begins, and there is on average no more than one further share to a cell (Chen and Asau's guide
    table). The look-up takes the same few steps for any number of backends, where a binary search takes more
    and more, each of them to memory that no cache holds.
    """

    __slots__ = ("_backends", "_bounds", "_cells", "_ends", "_guide", "_random", "_total")

    def __init__(self, backends: Sequence[Backend], rng: Random) -> None:
        self._backends = tuple(backends)
        self._bounds = list(accumulate((backend.weight for backend in backends), initial=0.0))
        """Each share's start, then the last one's end."""
        self._total = self._bounds[-1]
        inner = self._bounds[1:-1]
        self._ends = [*inner, inf]
        """Each share's end; no rounding leads beyond the last one."""
        width = self._total / (len(backends) or 1)
        self._guide = [bisect(inner, cell * width) for cell in range(len(backends) + 1)]
        self._cells = 1 / (width or 1)
        """Cells of the table per unit of weight."""
        self._random = rng.random

    def pick(self) -> Backend:
        """A random backend."""
        return self._backends[self._place(self._random() * self._total)]

    def _place(self, point: float) -> int:
        """Whose share `point` lies in."""
        place = self._guide[int(point * self._cells)]
        ends = self._ends
        while ends[place] <= point:
            place += 1
        return place


class RandomTwo(RandomChoice):
    """Two different backends are drawn by weight, the one with less load per weight is taken.

    The power of two choices (Mitzenmacher): nearly as even as looking at every backend, at the price of
    looking at two. Envoy's LEAST_REQUEST and HAProxy's `random(2)` do the same. Between equals the first
    drawn is taken, so that an idle pool is served in proportion to weight.
    """

    __slots__ = ()

    def pick(self) -> Backend:
        """The less loaded of two random backends."""
        backends, bounds, random = self._backends, self._bounds, self._random
        place = self._place(random() * self._total)
        first = backends[place]
        # The second is drawn from what is left when the first one's share is cut out.
        start = bounds[place]
        share = bounds[place + 1] - start
        point = random() * (self._total - share)
        second = backends[self._place(point if point < start else point + share)]
        return second if second.load < first.load else first

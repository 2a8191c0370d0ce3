"""The policy `random`: a random choice by weight."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from math import inf
from random import Random

from pylb.policy.backend import Backend


class RandomChoice:
    """Picks each backend with a probability in proportion to its weight, independently of earlier picks.

    Equal weights, the common case, need only a random index. Otherwise the weights are laid end to end as
    intervals on a line, and a pick is a random point on it. A table with as many cells as backends finds the
    interval of a point: each cell names the interval in which it begins, and on average no more than one
    other interval begins in the same cell (Chen and Asau's guide table). A pick therefore costs about the
    same for ten thousand backends as for ten, whereas the cost of a binary search grows with their number.
    """

    __slots__ = ("_backends", "_equal", "_guide", "_per_width", "_random", "_starts", "_total")

    reads_load = False

    def __init__(self, backends: Sequence[Backend], rng: Random) -> None:
        weights = [backend.weight for backend in backends]
        self._backends = tuple(backends)
        self._random = rng.random
        self._equal = len(weights) if len(weights) > 1 and min(weights) == max(weights) else 0
        """Number of backends if there are several and their weights are equal, else 0."""
        *starts, self._total = accumulate(weights, initial=0.0)
        self._starts = [*starts, inf]
        """Where each interval begins. No interval begins after the last one, so rounding cannot lead beyond
        it."""
        width = self._total / (len(weights) or 1)
        self._guide = [bisect(starts, cell * width) - 1 for cell in range(len(weights) + 1)]
        self._per_width = 1 / (width or 1)
        """Cells per unit of weight."""

    def pick(self, key: bytes | None = None) -> Backend:
        """Return a random backend."""
        if self._equal:
            return self._backends[int(self._random() * self._equal)]
        return self._backends[self._index(self._random() * self._total)]

    def _index(self, point: float) -> int:
        """Return the index of the backend whose interval contains `point`."""
        starts = self._starts
        index = self._guide[int(point * self._per_width)]
        while starts[index + 1] <= point:
            index += 1
        return index


build = RandomChoice

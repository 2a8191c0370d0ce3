"""Round-robin: every backend in turn, the heavier ones more often, nobody twice in a row without need."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heapreplace
from itertools import cycle
from random import Random

from pylb.policy.backend import Backend
from pylb.policy.balance.edf import first_turns


class RoundRobin:
    """Smooth weighted round-robin.

    Backends of one weight form a class: classes take turns by the sum of their members' weights, members
    rotate within their class. Pools have few distinct weights, so the heap is small; for equal weights it has
    one entry. A backend of weight w among a total of W is picked every W / w picks, give or take one for each
    other class.
    """

    __slots__ = ("_classes",)

    def __init__(self, backends: Sequence[Backend], rng: Random) -> None:
        members: dict[float, list[Backend]] = {}
        for backend in backends:
            members.setdefault(backend.weight, []).append(backend)
        weights = [weight * len(equals) for weight, equals in members.items()]
        self._classes = [
            # The number in second place settles equal turns before the comparison reaches what has no order.
            (turn, number, 1 / weight, cycle(_rotated(equals, rng)))
            for number, (turn, weight, equals) in enumerate(
                zip(first_turns(weights, rng), weights, members.values(), strict=True)
            )
        ]
        heapify(self._classes)

    def pick(self) -> Backend:
        """The backend whose turn it is."""
        classes = self._classes
        turn, number, interval, members = classes[0]
        heapreplace(classes, (turn + interval, number, interval, members))
        return next(members)


def _rotated(backends: list[Backend], rng: Random) -> list[Backend]:
    start = int(rng.random() * len(backends))
    return backends[start:] + backends[:start]

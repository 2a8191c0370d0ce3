"""Round-robin: backends in rotation, in proportion to weight, without needless repetition of a heavy one."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heapreplace
from itertools import cycle
from random import Random

from pylb.policy.backend import Backend
from pylb.policy.balance.edf import initial_deadlines


class RoundRobin:
    """Smooth weighted round-robin.

    Backends of one weight form a class. Classes are scheduled by the sum of their members' weights, and
    members rotate within their class. Pools have few distinct weights, so the heap is small; for equal
    weights it has one entry. A backend of weight w among a total of W is picked every W / w picks, plus or
    minus one for each other class.
    """

    __slots__ = ("_classes",)

    reads_load = False

    def __init__(self, backends: Sequence[Backend], rng: Random) -> None:
        members: dict[float, list[Backend]] = {}
        for backend in backends:
            members.setdefault(backend.weight, []).append(backend)
        weights = [weight * len(equals) for weight, equals in members.items()]
        self._classes = [
            # The number decides between equal deadlines, as iterators cannot be compared.
            (deadline, number, 1 / weight, cycle(_rotated(equals, rng)))
            for number, (deadline, weight, equals) in enumerate(
                zip(initial_deadlines(weights, rng), weights, members.values(), strict=True)
            )
        ]
        heapify(self._classes)

    def pick(self, key: bytes | None = None) -> Backend:
        """Return the backend with the earliest deadline."""
        classes = self._classes
        deadline, number, interval, members = classes[0]
        heapreplace(classes, (deadline + interval, number, interval, members))
        return next(members)


def _rotated(backends: list[Backend], rng: Random) -> list[Backend]:
    """Return the backends in their order, from a random one on."""
    start = int(rng.random() * len(backends))
    return backends[start:] + backends[:start]


build = RoundRobin

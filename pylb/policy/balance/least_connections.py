"""Least connections: the backend with the least requests in flight per unit of weight."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from random import Random

from pylb.policy.backend import Backend
from pylb.policy.balance.balancer import Balancer
from pylb.policy.balance.edf import first_turns
from pylb.policy.balance.random import PowerOfTwo

SCAN_LIMIT = 16
"""Up to this many backends all are looked at: in small pools two random choices are visibly less even
(Envoy #11004), and a look at sixteen still costs less than a microsecond."""


def least_connections(backends: Sequence[Backend], rng: Random) -> Balancer:
    """The policy as users know it: exact in small pools, the better of two random backends in large ones."""
    if len(backends) > SCAN_LIMIT:
        return PowerOfTwo(backends, rng)
    equal = len({backend.weight for backend in backends}) == 1
    return (LeastConnections if equal else WeightedLeastConnections)(backends, rng)


class LeastConnections:
    """The least loaded of all backends; between equals the one whose turn it is, as nginx's `least_conn`.

    The backends stand in line; the first of the least loaded is taken and goes back to its end. An idle pool
    is thus served in turns, and the line is walked only while its head is busy. Who was passed over while
    busy has kept its place, but does not save up more than this one turn.
    """

    __slots__ = ("_line", "_turns")

    def __init__(self, backends: Sequence[Backend], rng: Random) -> None:
        turns = first_turns([backend.weight for backend in backends], rng)
        self._turns = dict(zip(backends, turns, strict=True))
        """When each is due; later than the first turns only if weights differ."""
        self._line = sorted(backends, key=self._turns.__getitem__)

    def pick(self) -> Backend:
        """The least loaded backend."""
        line = self._line
        chosen = line[0]
        least = chosen.load
        if least:
            for backend in line:
                if backend.load < least:
                    chosen = backend
                    least = backend.load
        line.remove(chosen)
        line.append(chosen)
        return chosen


class WeightedLeastConnections(LeastConnections):
    """The same for backends of unequal weight: one goes back in line where its next turn is.

    An idle pool is thus served in smooth weighted round-robin.
    """

    __slots__ = ("_now",)

    def __init__(self, backends: Sequence[Backend], rng: Random) -> None:
        super().__init__(backends, rng)
        self._now = 0.0
        """The latest turn that was taken."""

    def pick(self) -> Backend:
        """The least loaded backend."""
        chosen = super().pick()
        self._now = max(self._now, self._turns[chosen])
        self._turns[chosen] = self._now + 1 / chosen.weight
        self._line.pop()  # There it went, its weight being overlooked.
        insort(self._line, chosen, key=self._turns.__getitem__)
        return chosen

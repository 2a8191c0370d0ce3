"""Least connections: the backend with the least requests in flight per unit of weight."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from random import Random

from pylb.policy.backend import Backend
from pylb.policy.balance.balancer import Balancer
from pylb.policy.balance.random import RandomTwo
from pylb.policy.balance.turns import first_turns

SCAN_LIMIT = 16
"""Up to this many backends all are looked at: in small pools two random choices are visibly less even
(Envoy #11004), and a look at sixteen still costs less than a microsecond."""


def least_connections(backends: Sequence[Backend], rng: Random) -> Balancer:
    """The policy as users know it: exact in small pools, the better of two random backends in large ones."""
    return (LeastConnections if len(backends) <= SCAN_LIMIT else RandomTwo)(backends, rng)


class LeastConnections:
    """The least loaded of all backends; between equals the one whose turn it is, as nginx's `least_conn`.

    The backends stand in line, ordered by their turns; the first of the least loaded is taken and goes back
    in line where its next turn is. An idle pool is thus served in smooth weighted round-robin, and the line
    is walked only while its head is busy.
    """

    __slots__ = ("_line", "_now", "_turns")

    def __init__(self, backends: Sequence[Backend], rng: Random) -> None:
        turns = first_turns([backend.weight for backend in backends], rng)
        order = sorted(range(len(backends)), key=turns.__getitem__)
        self._line = [backends[place] for place in order]
        self._turns = [turns[place] for place in order]
        self._now = 0.0
        """The latest turn that was taken."""

    def pick(self) -> Backend:
        """The least loaded backend."""
        line, turns = self._line, self._turns
        chosen = line[0]
        least = chosen.load
        if least:
            for backend in line:
                if backend.load < least:
                    chosen = backend
                    least = backend.load
        place = line.index(chosen)
        del line[place]
        turn = turns.pop(place)
        # Who was passed over while busy has kept its place, but does not save up more than this one turn.
        if turn < self._now:
            turn = self._now
        else:
            self._now = turn
        turn += 1 / chosen.weight
        place = bisect(turns, turn)
        line.insert(place, chosen)
        turns.insert(place, turn)
        return chosen

"""Least connections: the backend with the fewest requests in flight per unit of weight."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from random import Random

from pylb.policy.backend import Backend
from pylb.policy.balance.balancer import Balancer
from pylb.policy.balance.edf import initial_deadlines
from pylb.policy.balance.random_two import PowerOfTwo

SCAN_LIMIT = 16
"""Pools of up to this size are scanned completely: in small pools two random choices are visibly less even
(Envoy #11004), and a scan of sixteen backends still takes less than a microsecond."""


def build(backends: Sequence[Backend], rng: Random) -> Balancer:
    """Build the policy: exact in small pools, the better of two random backends in large ones."""
    if len(backends) > SCAN_LIMIT:
        return PowerOfTwo(backends, rng)
    equal = len({backend.weight for backend in backends}) == 1
    return (LeastConnections if equal else WeightedLeastConnections)(backends, rng)


class LeastConnections:
    """Picks the least loaded backend, among ties the least recently picked one, as nginx's `least_conn`.

    The backends form a queue. The first of the least loaded ones is picked and moves to the end. An idle pool
    is thus served in rotation, and the queue is scanned only while its head is busy. A backend that is
    skipped while busy keeps its place, but it never gains more than one pick by that.
    """

    __slots__ = ("_deadlines", "_queue")

    reads_load = True

    def __init__(self, backends: Sequence[Backend], rng: Random) -> None:
        deadlines = initial_deadlines([backend.weight for backend in backends], rng)
        self._deadlines = dict(zip(backends, deadlines, strict=True))
        """When each is due on the virtual clock; updated only if weights differ."""
        self._queue = sorted(backends, key=self._deadlines.__getitem__)

    def pick(self, key: bytes | None = None) -> Backend:
        """Return the least loaded backend."""
        queue = self._queue
        chosen = queue[0]
        least = chosen.load
        if least:
            for backend in queue:
                if backend.load < least:
                    chosen = backend
                    least = backend.load
        queue.remove(chosen)
        queue.append(chosen)
        return chosen


class WeightedLeastConnections(LeastConnections):
    """The same for backends of unequal weight: a picked backend is queued by its next deadline.

    An idle pool is thus served in smooth weighted round-robin.
    """

    __slots__ = ("_now",)

    def __init__(self, backends: Sequence[Backend], rng: Random) -> None:
        super().__init__(backends, rng)
        self._now = 0.0
        """The latest deadline that was served."""

    def pick(self, key: bytes | None = None) -> Backend:
        """Return the least loaded backend."""
        chosen = super().pick()
        self._now = max(self._now, self._deadlines[chosen])
        self._deadlines[chosen] = self._now + 1 / chosen.weight
        self._queue.pop()  # LeastConnections.pick appended it without regard to its weight.
        insort(self._queue, chosen, key=self._deadlines.__getitem__)
        return chosen

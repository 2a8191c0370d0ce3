"""A simulated instance, and the connections of one worker to it."""

from __future__ import annotations

from heapq import heapreplace
from math import inf


class Instance:
    """Works on a limited number of requests at a time; further requests wait in order.

    The end of a request is known when it arrives, so an instance needs no events: a request begins as soon as
    a slot is free, and occupies that slot for its service time.

    Args:
        concurrency: number of requests that it works on at a time.
        slowness: factor of the service time.
        dies: time in seconds at which it fails; its requests in flight are lost.
        returns: time in seconds at which it works again.
    """

    __slots__ = ("_slots", "_slowness", "dies", "inflight", "max_inflight", "requests", "returns")

    def __init__(
        self, concurrency: int = 1, slowness: float = 1.0, dies: float = inf, returns: float = inf
    ) -> None:
        self.requests = 0
        """Number of requests sent to it."""
        self.inflight = 0
        """Number of requests in flight, including waiting ones."""
        self.max_inflight = 0
        """Maximum number of requests in flight."""
        self.dies = dies
        self.returns = returns
        self._slowness = slowness
        self._slots = [0.0] * concurrency
        """The time at which each slot becomes free."""

    def is_dead(self, now: float) -> bool:
        """Return whether the instance refuses connections."""
        return self.dies <= now < self.returns

    def serve(self, now: float, work: float) -> float:
        """Accept a request. Returns the time of its end, provided that the instance does not fail before."""
        if now >= self.returns and self.dies < inf:
            self.dies, self._slots = inf, [self.returns] * len(self._slots)
        self.requests += 1
        start = max(now, self._slots[0])
        end = start + work * self._slowness
        heapreplace(self._slots, end)
        return end


class Connections:
    """The connections of one worker to an instance. As in `proxy.upstream`, the newest idle one is used.

    Args:
        instance: the instance.
        keep: seconds for which an idle connection is kept.
    """

    __slots__ = ("_idle", "_keep", "instance", "opened")

    def __init__(self, instance: Instance, keep: float) -> None:
        self.instance = instance
        self.opened = 0
        self._keep = keep
        self._idle: list[float] = []
        """The time at which each idle connection became idle, oldest first."""

    def take(self, now: float) -> bool:
        """Use an idle connection or open one. Returns whether it was idle."""
        if self._idle and now - self._idle.pop() <= self._keep:
            return True
        self._idle.clear()  # Those below have been idle for even longer.
        self.opened += 1
        return False

    def give_back(self, now: float) -> None:
        """Return a connection to the idle ones."""
        self._idle.append(now)

    def idle(self, now: float) -> int:
        """Return the number of idle connections."""
        return sum(now - since <= self._keep for since in self._idle)

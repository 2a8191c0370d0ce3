"""A simulated instance, and the connections that one worker has to it."""

from __future__ import annotations

from heapq import heapreplace
from math import inf


class Instance:
    """Works on so many requests at a time, the others wait in order.

    As a request's end is known when it arrives, an instance needs no events of its own: a request begins as
    soon as a slot is free, and takes that slot for as long as it works.

    Args:
        concurrency: requests that it works on at a time.
        slowness: how many times longer it works on each of them.
        dies: when it stops answering; what it works on is lost.
        returns: when it is back. Times are in seconds.
    """

    __slots__ = ("_slots", "_slowness", "dies", "inflight", "most", "requests", "returns")

    def __init__(
        self, concurrency: int = 1, slowness: float = 1.0, dies: float = inf, returns: float = inf
    ) -> None:
        self.requests = 0
        """How many it was sent."""
        self.inflight = 0
        """How many it has, those that wait included."""
        self.most = 0
        """How many it had at a time."""
        self.dies = dies
        self.returns = returns
        self._slowness = slowness
        self._slots = [0.0] * concurrency
        """When each is free."""

    def is_dead(self, now: float) -> bool:
        """Whether connections are refused."""
        return self.dies <= now < self.returns

    def serve(self, now: float, work: float) -> float:
        """Take a request; return when it ends, were the instance to live on."""
        if now >= self.returns and self.dies < inf:
            self.dies, self._slots = inf, [self.returns] * len(self._slots)
        self.requests += 1
        start = max(now, self._slots[0])
        end = start + work * self._slowness
        heapreplace(self._slots, end)
        return end


class Link:
    """One worker's connections to an instance. As in `proxy.upstream`, the newest idle one is used.

    Args:
        instance: where it leads.
        keep: seconds for which an idle connection is kept.
    """

    __slots__ = ("_idle", "_keep", "instance", "opened")

    def __init__(self, instance: Instance, keep: float) -> None:
        self.instance = instance
        self.opened = 0
        self._keep = keep
        self._idle: list[float] = []
        """Since when each idle connection is idle."""

    def take(self, now: float) -> bool:
        """Take a connection; whether it is one that was idle."""
        if self._idle and now - self._idle.pop() <= self._keep:
            return True
        self._idle.clear()  # Those below have been idle for even longer.
        self.opened += 1
        return False

    def give_back(self, now: float) -> None:
        """A connection has nothing to do."""
        self._idle.append(now)

    def idle(self, now: float) -> int:
        """How many connections wait to be used."""
        return sum(now - since <= self._keep for since in self._idle)

"""Request limits, applied to any policy."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from operator import attrgetter

from pylb.policy.backend import Backend
from pylb.policy.balance.balancer import Balancer
from pylb.policy.queue import Full, Queue


class Limited:
    """Wraps a policy and skips backends that are at their limit of requests.

    Args:
        policy: the balancer that picks first.
        backends: the backends that it chooses among.
        queue: the requests that wait for them.
    """

    __slots__ = ("_backends", "_policy", "_queue", "reads_load")

    def __init__(self, policy: Balancer, backends: Sequence[Backend], queue: Queue) -> None:
        self._policy = policy
        self._backends = backends
        self._queue = queue
        self.reads_load = policy.reads_load

    def pick(self, key: bytes | None = None) -> Backend:
        """Return the policy's choice if it has capacity, else the least loaded backend that has.

        Args:
            key: passed to the policy.

        Raises:
            Full: no backend has capacity, or other requests wait already.
        """
        if self._queue:
            raise Full
        backend = self._policy.pick(key)
        if backend.inflight < backend.limit:
            return backend
        other = least_loaded_with_capacity(self._backends)
        if other is None:
            raise Full
        return other


def least_loaded_with_capacity(
    backends: Collection[Backend], tried: Collection[Backend] = ()
) -> Backend | None:
    """Return the least loaded backend that has capacity, or None if all are full.

    Args:
        backends: the candidates.
        tried: backends that are returned only if no other one has capacity.
    """
    capable = [backend for backend in backends if backend.inflight < backend.limit]
    return min([b for b in capable if b not in tried] or capable, key=attrgetter("load"), default=None)

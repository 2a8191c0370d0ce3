"""Any policy, among backends of which some have a limit of requests."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from operator import attrgetter

from pylb.policy.backend import Backend
from pylb.policy.balance.balancer import Balancer
from pylb.policy.queue import Full, Queue


class Limited:
    """Passes over backends that have as many requests as they may.

    Args:
        policy: what it asks first.
        backends: among whom that chooses.
        queue: who waits for them.
    """

    __slots__ = ("_backends", "_policy", "_queue")

    def __init__(self, policy: Balancer, backends: Sequence[Backend], queue: Queue) -> None:
        self._policy = policy
        self._backends = backends
        self._queue = queue

    def pick(self) -> Backend:
        """The policy's choice if it has room, else the least loaded one that has.

        Raises:
            Full: there is none, or others wait.
        """
        if self._queue:
            raise Full
        backend = self._policy.pick()
        if backend.inflight < backend.limit:
            return backend
        other = least_loaded_with_capacity(self._backends)
        if other is None:
            raise Full
        return other


def least_loaded_with_capacity(
    backends: Collection[Backend], tried: Collection[Backend] = ()
) -> Backend | None:
    """The least loaded backend that has room, one that was not tried if possible; None if all are full."""
    room = [backend for backend in backends if backend.inflight < backend.limit]
    return min([b for b in room if b not in tried] or room, key=attrgetter("load"), default=None)

"""Waiting in the queue for a backend with capacity, for services whose backends have limits."""

from __future__ import annotations

from collections.abc import Collection
from time import monotonic

from pylb.errors import Fault, Phase, ProxyError
from pylb.policy.backend import Backend
from pylb.policy.lease import Lease
from pylb.policy.pool import Pool
from pylb.policy.queue import QueuedRequest
from pylb.proxy.exchange import Exchange
from pylb.proxy.transfer import EVENT


async def wait_for_room(client: Exchange, pool: Pool, tried: Collection[Backend]) -> tuple[Lease, float]:
    """Join the queue; return a lease and the time at which it starts.

    Args:
        client: the exchange whose coroutine waits.
        pool: a pool whose backends have all reached their limits.
        tried: backends that the request has failed on.

    Raises:
        ProxyError: the queue is full, the wait exceeded the queue timeout, the client left, the service was
            removed, or only backends in `tried` have capacity.
    """
    only = None if client.bound is None else client.bound.backend(pool)
    queued = QueuedRequest(tried, client.wake, only)
    pool.join_queue(queued)
    timeout = pool.queue.timeout
    client.set_deadline(monotonic(), timeout)
    try:
        while queued.backend is None:
            await EVENT
            if client.lost:
                raise client.lost_error(Phase.QUEUE)
            if pool.queue.closed:
                removed = f"the service {pool.service} was removed"
                raise ProxyError(Phase.QUEUE, Fault.POLICY, removed, status=503)
            if client.expired and queued.backend is None:
                pool.events["queue_timeout"] += 1
                waited = f"no backend had room for {timeout:g} s"
                raise ProxyError(Phase.QUEUE, Fault.UPSTREAM_TIMEOUT, waited)
        if queued.backend in tried:
            raise ProxyError(Phase.QUEUE, Fault.DOWN, "no other backend has room")
        lease = Lease(pool, queued.backend, monotonic())
        return lease, lease.started
    finally:
        pool.queue.leave(queued)

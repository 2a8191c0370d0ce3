"""Waiting in line for a backend that has room; only for services whose backends have limits."""

from __future__ import annotations

from collections.abc import Collection
from time import monotonic
from typing import TYPE_CHECKING

from pylb.errors import Fault, Phase, ProxyError
from pylb.policy.backend import Backend
from pylb.policy.lease import Lease
from pylb.policy.pool import Pool
from pylb.policy.queue import Ticket
from pylb.proxy.flow import EVENT

if TYPE_CHECKING:
    from pylb.proxy.downstream import Downstream


async def wait_for_room(client: Downstream, pool: Pool, tried: Collection[Backend]) -> tuple[Lease, float]:
    """Get in line, and come back with a lease, and the time at which it starts.

    Args:
        client: whose coroutine waits.
        pool: all of whose backends have as many requests as they may.
        tried: those that the request has failed on.

    Raises:
        ProxyError: the queue is too long, it took too long, or the client left meanwhile; or there is room
            only where the request has failed.
    """
    only = None if client.bound is None else client.bound.backend(pool)
    ticket = Ticket(tried, client.wake, only)
    pool.join_queue(ticket)
    patience = pool.queue.rules.patience
    client.arm(monotonic(), patience)
    try:
        while ticket.backend is None:
            await EVENT
            if client.lost:
                raise client.lost_error(Phase.QUEUE)
            if client.expired and ticket.backend is None:
                pool.events["queue_timeout"] += 1
                waited = f"no backend had room for {patience:g} s"
                raise ProxyError(Phase.QUEUE, Fault.UPSTREAM_TIMEOUT, waited)
        if ticket.backend in tried:
            raise ProxyError(Phase.QUEUE, Fault.DOWN, "no other backend has room")
        lease = Lease(pool, ticket.backend, monotonic())
        return lease, lease.started
    finally:
        pool.queue.leave(ticket)

"""The simulation: simulated time and instances with pylb's own pools, leases, balancers and retry rules.

A request is a generator that yields the time at which it continues. It reads like `proxy.forward`, which does
the same with sockets: pick, connect, wait for the response, retry. The event queue is a heap of these times.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from functools import partial
from heapq import heappop, heappush
from itertools import count
from math import inf
from random import Random

from pylb.assembly.pools import make_pool
from pylb.config.backends import PoolOptions, Retries
from pylb.config.clients import Limits
from pylb.errors import Fault, Phase, ProxyError
from pylb.http1.parser import parse_request
from pylb.model import Endpoint, PoolState
from pylb.policy.backend import Backend
from pylb.policy.lease import Lease
from pylb.policy.picker import HASH
from pylb.policy.pool import Pool
from pylb.policy.queue import Full, QueuedRequest
from pylb.policy.retry import RetryRules
from pylb.policy.shared import SharedBackend, SharedPool
from pylb.tools.simulate.instance import Connections, Instance
from pylb.tools.simulate.outcome import Outcome
from pylb.tools.simulate.workload import Arrival

Steps = Generator[float, None, None]
"""A generator that yields the time at which it continues; infinity if it waits to be woken."""

SERVICE = "simulated"
TICK = 0.25
"""Seconds between two calls of `Pool.tick`, as in `proxy.sweep`."""

GET = parse_request(b"GET / HTTP/1.1\r\nHost: simulated\r\n\r\n", Limits())


@dataclass(frozen=True, slots=True)
class Layout:
    """The numbers of balancers and workers, and their connections."""

    balancers: int = 1
    """Machines with a pylb, which share no state."""
    workers: int = 1
    """Processes of each pylb, which share their counts of requests in flight."""
    subset: int = 0
    """Number of instances that each balancer uses; 0 for all."""
    overhead: float = 0.0
    """Seconds that network and balancer add to each request."""
    keep: float = 4.0
    """Seconds for which a balancer keeps an idle connection."""
    clients: int = 10_000
    """Clients that send the requests, each equally many; the policy `hash` hashes them."""


class Simulation:
    """Balancers in front of instances. `feed` takes arrivals in order.

    Args:
        options: the options of the pools.
        layout: the balancers.
        instances: the instances.
        seed: the seed of all random numbers: the balancer of each request, and draws of the policies.
    """

    def __init__(self, options: PoolOptions, layout: Layout, instances: list[Instance], seed: int) -> None:
        self.now = 0.0
        self.outcome = Outcome(options.policy)
        self._options = options
        self._layout = layout
        self._instances = instances
        self._rng = Random(f"{seed} balancing")
        self._clients = Random(f"{seed} clients")
        self._retry = RetryRules(Retries.of(options))
        self._heap: list[tuple[float, int, Steps]] = []
        self._numbers = count()
        self._in_flight = 0
        self._pools = [pool for _ in range(layout.balancers) for pool in self._balancer()]
        self._running = self._ticks()
        self._resume(self._running)

    def feed(self, arrivals: Iterable[Arrival]) -> None:
        """Simulate these arrivals, and all events before the last of them."""
        pools, choice = self._pools, self._rng.choice
        for time, work in arrivals:
            while self._heap[0][0] <= time:
                self._step()
            self.now = time
            pool = choice(pools)
            client = b"%d" % self._clients.randrange(self._layout.clients) if pool.policy == HASH else None
            self._resume(self._request(pool, work, client))

    def finish(self) -> Outcome:
        """Simulate until all requests have ended. Returns the figures."""
        while self._in_flight:
            self._step()
        outcome = self.outcome
        sent = [instance.requests for instance in self._instances]
        links: list[Connections] = [
            backend.counters for pool in self._pools for backend in pool.backends.values()
        ]
        outcome.seconds = self.now
        outcome.busiest = max(sent) * len(sent) / (sum(sent) or 1)
        outcome.fullest = max(instance.max_inflight for instance in self._instances)
        outcome.opened = sum(connections.opened for connections in links)
        outcome.kept = sum(connections.idle(self.now) for connections in links)
        return outcome

    def _request(self, pool: Pool, work: float, client: bytes | None) -> Steps:
        """Simulate one request from its arrival to its end; `client` is the key of a keyed policy."""
        arrived = self.now
        tried: tuple[Backend, ...] = ()
        self._in_flight += 1
        try:
            while True:
                try:
                    lease = pool.lease(tried, self.now, client)
                except Full:
                    lease = yield from self._wait_for_room(pool, tried)
                    if lease.backend in tried:
                        raise ProxyError(Phase.QUEUE, Fault.DOWN, "no other backend has room") from None
                with lease:
                    try:
                        yield from self._attempt(lease, work)
                        break
                    except ProxyError as error:
                        lease.error = error
                        tried += (lease.backend,)
                        if not self._may_retry(pool, error, tried):
                            raise
                        self.outcome.retries += 1
        except ProxyError as error:
            self.outcome.failed[error.code] += 1
        else:
            self.outcome.latencies.add(self.now - arrived + self._layout.overhead)
        finally:
            self._in_flight -= 1

    def _attempt(self, lease: Lease, work: float) -> Steps:
        """Simulate one attempt at one instance.

        Raises:
            ProxyError: the instance has failed, or fails meanwhile.
        """
        connections: Connections = lease.backend.counters
        instance = connections.instance
        if instance.is_dead(self.now):
            raise ProxyError(Phase.CONNECT, Fault.UPSTREAM, "refused")
        lease.reused = connections.take(self.now)
        end = instance.serve(self.now, work)
        instance.inflight += 1
        instance.max_inflight = max(instance.max_inflight, instance.inflight)
        dies = instance.dies
        yield min(end, dies)
        instance.inflight -= 1
        if end > dies:
            lease.answered = True  # Otherwise a reused connection would count as stale.
            raise ProxyError(Phase.HEADERS, Fault.UPSTREAM, "reset")
        lease.answered, lease.status = True, 200
        connections.give_back(self.now)

    def _may_retry(self, pool: Pool, error: ProxyError, tried: tuple[Backend, ...]) -> bool:
        allowed = self._retry.allow(error, GET, response="", sent=True, attempts=len(tried), replayable=True)
        return allowed and pool.has_other_than(tried) and pool.afford_retry()

    def _wait_for_room(self, pool: Pool, tried: tuple[Backend, ...]) -> Generator[float, None, Lease]:
        """Wait in the queue for a lease.

        Raises:
            ProxyError: the queue is full, or its timeout has passed.
        """
        queued = QueuedRequest(tried, partial(self._resume, self._running))
        pool.join_queue(queued)
        try:
            self._resume(self._expire(queued, self.now + pool.queue.timeout))
            yield inf
            if queued.backend is None:
                raise ProxyError(Phase.QUEUE, Fault.UPSTREAM_TIMEOUT, "no backend had room")
            return Lease(pool, queued.backend, self.now)
        finally:
            pool.queue.leave(queued)

    def _expire(self, queued: QueuedRequest, deadline: float) -> Steps:
        """Wake a request without a backend at the deadline."""
        yield deadline
        if queued.backend is None:
            queued.wake()

    def _ticks(self) -> Steps:
        while True:
            yield self.now + TICK
            for pool in self._pools:
                pool.tick(self.now)

    def _step(self) -> None:
        """Process the next event."""
        self.now, _, steps = heappop(self._heap)
        self._resume(steps)

    def _resume(self, steps: Steps) -> None:
        """Continue a generator until it yields, and schedule it for the time that it yields."""
        before, self._running = self._running, steps
        time = next(steps, inf)
        if time < inf:
            heappush(self._heap, (time, next(self._numbers), steps))
        self._running = before

    def _balancer(self) -> list[Pool]:
        """Return the pools of one balancer, one per worker, with shared counts of requests in flight."""
        workers, size = self._layout.workers, self._layout.subset or len(self._instances)
        known = sorted(self._rng.sample(range(len(self._instances)), size))
        endpoints = tuple(endpoint(number) for number in known)
        numbers = dict(zip(endpoints, known, strict=True))

        def connections(to: Endpoint) -> Connections:
            return Connections(self._instances[numbers[to]], self._layout.keep)

        kind = partial(SharedPool if workers > 1 else Pool, rng=self._rng, counters=connections)
        make = partial(make_pool, kind, SERVICE, self._options, workers)
        pools = [make(clock=lambda: self.now, on_state_change=lambda _: None) for _ in range(workers)]
        for pool in pools:
            pool.apply(PoolState(SERVICE, endpoints))
        for together in zip(*(pool.backends.values() for pool in pools), strict=True):
            memory = memoryview(bytearray(8 * workers)).cast("q")
            for own, backend in enumerate(together):
                if isinstance(backend, SharedBackend):
                    backend.share(memory, own)
        return pools


def endpoint(number: int) -> Endpoint:
    """Return the endpoint of an instance, as a registry would list it."""
    return Endpoint(SERVICE, f"10.0.{number >> 8}.{number & 255}", 80, id=f"instance-{number}")

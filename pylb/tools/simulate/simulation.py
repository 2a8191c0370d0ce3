"""The simulation: simulated time, simulated instances, real pools, leases, balancers and retry rules.

A request is a generator that yields the moment at which it goes on. It reads like `proxy.forward`, which does
the same with sockets: pick, connect, wait for the answer, retry. All else is a heap of moments.
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
from pylb.policy.pool import Pool
from pylb.policy.queue import Full, Waiter
from pylb.policy.retry import RetryRules
from pylb.policy.shared import SharedBackend, SharedPool
from pylb.tools.simulate.instance import Instance, Link
from pylb.tools.simulate.outcome import Outcome
from pylb.tools.simulate.workload import Arrival

Steps = Generator[float, None, None]
"""What yields the moments at which it goes on; infinity: when it is woken."""

SERVICE = "simulated"
TICK = 0.25
"""Seconds between two looks of a pool at the clock, as in `proxy.sweep`."""

GET = parse_request(b"GET / HTTP/1.1\r\nHost: simulated\r\n\r\n", Limits())


@dataclass(frozen=True, slots=True)
class Layout:
    """Who balances over what."""

    balancers: int = 1
    """Machines with a pylb, that know nothing of each other."""
    workers: int = 1
    """Processes of each pylb, which see each other's requests."""
    subset: int = 0
    """Instances that one balancer knows; 0 for all."""
    overhead: float = 0.0
    """Seconds that network and balancer add to each request."""
    keep: float = 4.0
    """Seconds for which a balancer keeps an idle connection."""


class Simulation:
    """Balancers before instances; feed it arrivals, in order.

    Args:
        options: what the pools go by.
        layout: how many there are.
        instances: what they balance over.
        seed: of everything that is random: the balancer that a request comes to, what a policy draws.
    """

    def __init__(self, options: PoolOptions, layout: Layout, instances: list[Instance], seed: int) -> None:
        self.now = 0.0
        self.outcome = Outcome(options.policy)
        self._options = options
        self._layout = layout
        self._instances = instances
        self._rng = Random(f"{seed} balancing")
        self._retry = RetryRules(Retries.of(options))
        self._heap: list[tuple[float, int, Steps]] = []
        self._numbers = count()
        self._under_way = 0
        self._pools = [pool for _ in range(layout.balancers) for pool in self._balancer()]
        self._running = self._ticks()
        self._resume(self._running)

    def feed(self, arrivals: Iterable[Arrival]) -> None:
        """Let requests arrive, and all happen that does until the last of them."""
        pools, choice = self._pools, self._rng.choice
        for moment, work in arrivals:
            while self._heap[0][0] <= moment:
                self._step()
            self.now = moment
            self._resume(self._request(choice(pools), work))

    def finish(self) -> Outcome:
        """Let all requests end; return the figures."""
        while self._under_way:
            self._step()
        outcome = self.outcome
        sent = [instance.requests for instance in self._instances]
        links: list[Link] = [backend.cells for pool in self._pools for backend in pool.backends.values()]
        outcome.seconds = self.now
        outcome.busiest = max(sent) * len(sent) / (sum(sent) or 1)
        outcome.fullest = max(instance.most for instance in self._instances)
        outcome.opened = sum(link.opened for link in links)
        outcome.kept = sum(link.idle(self.now) for link in links)
        return outcome

    def _request(self, pool: Pool, work: float) -> Steps:
        """One request, from its arrival to its end."""
        arrived = self.now
        tried: tuple[Backend, ...] = ()
        self._under_way += 1
        try:
            while True:
                try:
                    lease = pool.lease(tried, self.now)
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
                        if not self._may_retry(pool, lease, error, tried):
                            raise
                        self.outcome.retries += 1
        except ProxyError as error:
            self.outcome.failed[error.code] += 1
        else:
            self.outcome.latencies.add(self.now - arrived + self._layout.overhead)
        finally:
            self._under_way -= 1

    def _attempt(self, lease: Lease, work: float) -> Steps:
        """One try at one instance.

        Raises:
            ProxyError: it is dead, or dies meanwhile.
        """
        link: Link = lease.backend.cells
        instance = link.instance
        if instance.is_dead(self.now):
            raise ProxyError(Phase.CONNECT, Fault.UPSTREAM, "refused")
        lease.reused = link.take(self.now)
        end = instance.serve(self.now, work)
        instance.inflight += 1
        instance.most = max(instance.most, instance.inflight)
        dies = instance.dies
        yield min(end, dies)
        instance.inflight -= 1
        if end > dies:
            lease.answered = True  # Or it would be taken for an idle connection that had been closed.
            raise ProxyError(Phase.HEADERS, Fault.UPSTREAM, "reset")
        lease.answered, lease.status = True, 200
        link.give_back(self.now)

    def _may_retry(self, pool: Pool, lease: Lease, error: ProxyError, tried: tuple[Backend, ...]) -> bool:
        allowed = self._retry.allow(
            error, GET, status=lease.status, sent=True, tries=len(tried), replayable=True
        )
        return allowed and pool.has_other_than(tried) and pool.afford_retry()

    def _wait_for_room(self, pool: Pool, tried: tuple[Backend, ...]) -> Generator[float, None, Lease]:
        """Get in line, and come back with a lease.

        Raises:
            ProxyError: the line is too long, or it took too long.
        """
        waiter = Waiter(tried, partial(self._resume, self._running))
        pool.join_queue(waiter)
        try:
            self._resume(self._lose_patience(waiter, self.now + pool.queue.timeout))
            yield inf
            if waiter.backend is None:
                raise ProxyError(Phase.QUEUE, Fault.UPSTREAM_TIMEOUT, "no backend had room")
            return Lease(pool, waiter.backend, self.now)
        finally:
            pool.queue.leave(waiter)

    def _lose_patience(self, waiter: Waiter, deadline: float) -> Steps:
        """Wake whoever waits with that ticket when the time has come, with nothing to give it."""
        yield deadline
        if waiter.backend is None:
            waiter.wake()

    def _ticks(self) -> Steps:
        while True:
            yield self.now + TICK
            for pool in self._pools:
                pool.tick(self.now)

    def _step(self) -> None:
        """Let the next thing happen."""
        self.now, _, steps = heappop(self._heap)
        self._resume(steps)

    def _resume(self, steps: Steps) -> None:
        """Let one of them go on, and take note of when it wants to again."""
        before, self._running = self._running, steps
        moment = next(steps, inf)
        if moment < inf:
            heappush(self._heap, (moment, next(self._numbers), steps))
        self._running = before

    def _balancer(self) -> list[Pool]:
        """The pools of one balancer, one per worker; they see what the others have in flight."""
        workers, size = self._layout.workers, self._layout.subset or len(self._instances)
        known = sorted(self._rng.sample(range(len(self._instances)), size))
        endpoints = tuple(endpoint(number) for number in known)
        numbers = dict(zip(endpoints, known, strict=True))

        def link(to: Endpoint) -> Link:
            return Link(self._instances[numbers[to]], self._layout.keep)

        kind = partial(SharedPool if workers > 1 else Pool, rng=self._rng, cells=link)
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
    """What a registry would say of the instance of that number."""
    return Endpoint(SERVICE, f"10.0.{number >> 8}.{number & 255}", 80, id=f"instance-{number}")

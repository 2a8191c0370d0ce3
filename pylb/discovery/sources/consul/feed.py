"""One Consul agent's health answers for any number of services, over at most 15 connections.

Consul takes 200 connections from one address (`http_max_conns_per_client`), and a blocking query occupies
one. So the first services have a blocking query each, and all others share three that wake on every change:

| query | wakes on every change of | shows |
|---|---|---|
| `/v1/health/state/critical`, `/v1/health/state/warning` | any check | which services' health has changed |
| `/v1/catalog/services` | any instance | nothing; checks, or else instances, are listed node by node then |

A service that has changed is queried at once, and every service once a minute, as a blocking query would end.
Reasons and figures: docs/adr/consul-connections.md.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from math import inf
from random import Random
from types import TracebackType
from typing import NoReturn, Self

from pylb.clients.consul import (
    ConsulClient,
    ConsulError,
    ConsulUnreachableError,
    HealthAnswer,
)
from pylb.clients.consul_catalog import CatalogAnswer, ConsulCatalog
from pylb.config.sources import Consul
from pylb.discovery.sources.consul.changes import Changes
from pylb.runtime.backoff import Backoff
from pylb.runtime.concurrently import run_all

OWN_QUERIES = 8
"""Services that have a blocking query each: the first ones."""
SHARED_QUERIES = 3
"""Blocking queries for all other services."""
FETCHES = 4
"""Queries that do not wait, at a time."""
CONNECTIONS = OWN_QUERIES + SHARED_QUERIES + FETCHES
"""With the one that keeps pylb registered, 16."""
UNHEALTHY = ("critical", "warning")
REST = 0.01
"""Seconds after an answer of a shared query before it is asked again: changes meanwhile come together."""
LATER = 5.0
"""Seconds after which instances are listed, too, where checks have shown a change: it may not be all."""
WAIT = 55.0
"""Seconds that Consul may keep a shared query open."""


class ConsulFeed:
    """Owns the connections to one agent, and hands out health answers.

        async with ConsulFeed(settings) as feed:
            with feed.subscribe("web") as subscription:
                answer = await subscription.health()

    `run` must be running for more services than have a query of their own.

    Args:
        settings: where Consul is.
        own_queries: how many services may have a blocking query each, if not `OWN_QUERIES`.
        sleep: waits so many seconds.
        rng: source of jitter.
    """

    def __init__(
        self,
        settings: Consul,
        *,
        own_queries: int | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: Random | None = None,
    ) -> None:
        self.settings = settings
        self.fetches = asyncio.Semaphore(FETCHES)
        self.rng = rng or Random()
        self._sleep = sleep
        self._own = OWN_QUERIES if own_queries is None else own_queries
        self._client: ConsulClient | None = None
        self._shared: dict[str, set[Subscription]] = defaultdict(set)
        """Subscriptions without a query of their own, by service."""
        self._needed = asyncio.Event()
        self.settled = False
        """Whether changes can be seen: what is asked from then on does not become outdated unnoticed."""

    @property
    def client(self) -> ConsulClient:
        """The client, with all connections.

        Raises:
            ConsulError: a certificate or key cannot be read.
        """
        if self._client is None:
            self._client = ConsulClient(self.settings, CONNECTIONS)
        return self._client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    @contextmanager
    def subscribe(self, service: str) -> Iterator[Subscription]:
        """Follow a service; with a query of its own, as long as there are any left."""
        own = self._own > 0
        subscription = Subscription(self, service, own=own)
        if own:
            self._own -= 1
        else:
            self._shared[service].add(subscription)
            self._needed.set()
        try:
            yield subscription
        finally:
            if own:
                self._own += 1
            else:
                self._shared[service].discard(subscription)
                if not self._shared[service]:
                    del self._shared[service]

    async def run(self) -> NoReturn:
        """Watch for changes until cancelled, once there are services that need it."""
        backoff = Backoff(self.rng)
        try:
            while True:
                await self._needed.wait()
                try:
                    await self._follow(backoff)
                except Exception as error:  # whatever it is, the feed goes on
                    self._failed(error)
                    await self._sleep(backoff.after(error))
        finally:
            await self.close()

    async def _follow(self, backoff: Backoff) -> None:
        """Follow the shared queries until one fails."""
        changes, catalog = Changes(), ConsulCatalog(self.client)
        missing = {*UNHEALTHY, "instances"}
        """The queries that have not been answered yet."""

        def answered(query: str) -> None:
            missing.discard(query)
            if not missing and not self.settled:
                backoff.reset()
                self.settled = True
                self._notify(set(self._shared))

        async def follow_checks(state: str) -> None:
            index = 0
            while True:
                answer = await catalog.checks(state, index, WAIT)
                self._notify(changes.unhealthy(state, answer.read()))
                answered(state)
                index = following(answer, index)
                await self._sleep(REST)

        async def follow_instances() -> None:
            index, due, clock = 0, inf, asyncio.get_running_loop().time
            listed = 0
            """The index that the instances were listed at."""
            while True:
                answer = await catalog.services(index, min(WAIT, max(REST, due - clock())))
                began, woken = clock(), answer.index != index
                if woken:
                    found = await self._list(catalog, catalog.node_checks, changes.checks, changes)
                    due = min(due, began + LATER if found and index else began)
                if clock() >= due:
                    await self._list(catalog, catalog.node_instances, changes.instances, changes)
                    self._notify_younger(listed)
                    listed = answer.index
                    due = inf
                    answered("instances")
                index = following(answer, index)
                await self._sleep(max(REST, clock() - began) if woken else REST)

        await run_all(
            {
                **{f"follow {state} checks": follow_checks(state) for state in UNHEALTHY},
                "follow instances": follow_instances(),
            }
        )

    async def _list(
        self,
        catalog: ConsulCatalog,
        ask: Callable[[str], Awaitable[bytes]],
        take: Callable[[str, bytes], set[str]],
        changes: Changes,
    ) -> bool:
        """List something on all nodes, and report what differs node by node; return whether anything does."""
        nodes = [str(node.get("Node")) for node in await catalog.nodes() if isinstance(node, dict)]
        found = False

        async def look(name: str) -> None:
            nonlocal found
            async with self.fetches:
                document = await ask(name)
            try:
                changed = take(name, document)
            except ValueError as error:
                raise ConsulError(f"cannot understand what is on node {name!r}: {error}") from error
            self._notify(changed)
            found = found or bool(changed)

        await run_all({f"list {name}": look(name) for name in nodes})
        gone = changes.retain(nodes)
        self._notify(gone)
        return found or bool(gone)

    def _notify(self, services: set[str]) -> None:
        for service in services & self._shared.keys():
            for subscription in self._shared[service]:
                subscription.news.set()

    def _notify_younger(self, index: int) -> None:
        """Notify services whose last answer is younger than a list: that may lack what they had then."""
        for subscriptions in self._shared.values():
            for subscription in subscriptions:
                if subscription.index > index:
                    subscription.news.set()

    def _failed(self, error: Exception) -> None:
        """Let every subscription know that changes may have been missed."""
        self.settled = False
        for subscriptions in self._shared.values():
            for subscription in subscriptions:
                subscription.fail(error)


class Subscription:
    """One service's health answers, one after the other. `ConsulFeed.subscribe` makes them."""

    def __init__(self, feed: ConsulFeed, service: str, *, own: bool) -> None:
        self.service = service
        self.news = asyncio.Event()
        """Set by the feed when the service may have changed, or something else to wait for has come."""
        self.index = 0
        """Of the last answer that was fetched."""
        self._feed = feed
        self._own = own
        self._error: Exception | None = None
        """Why changes may have been missed, as long as that has not been raised."""
        self._raised = ""
        """What was raised last, since changes could be seen."""

    @property
    def client(self) -> ConsulClient:
        """The client that all share, for further questions on the service."""
        return self._feed.client

    def fail(self, error: Exception) -> None:
        """Make `health` raise an error; once, as long as the same error occurs again and again."""
        if str(error) != self._raised:
            self._error, self._raised = error, str(error)
            self.news.set()

    async def health(
        self,
        *,
        tags: Sequence[str] = (),
        index: int = 0,
        wait: float = WAIT,
        consistency: str | None = None,
    ) -> HealthAnswer:
        """Return the instances of the service, see `ConsulClient.service_health`.

        Args:
            tags: only instances that carry all of these.
            index: wait for a change since the answer with this one; 0 answers at once.
            wait: seconds to wait at most.
            consistency: instead of the settings'.

        Raises:
            ConsulError: no usable answer, or changes may have been missed.
        """
        if self._own:
            return await self.client.service_health(
                self.service, tags=tags, index=index, wait=wait, consistency=consistency
            )
        changed = await self._changed(wait) if index else False
        await self._settled()
        answer = await self._fetch(tags, consistency)
        if (
            changed
            and answer.index <= index
            and self._feed.settings.consistency == "stale"
            and not consistency
        ):
            answer = await self._fetch(tags, "default")  # that server has not got the change yet
        return answer

    async def _changed(self, wait: float) -> bool:
        """Wait for a change; return whether there was one, or the wait has ended.

        The wait is shortened at random, so that services that were queried together are not next time.
        """
        try:
            async with asyncio.timeout(wait * self._feed.rng.uniform(0.5, 1.0)):
                await self.news.wait()
        except TimeoutError:
            return False
        return True

    async def _settled(self) -> None:
        """Wait until changes can be seen, and take note of those that come from now on."""
        while True:
            self.news.clear()
            if self._error is not None:
                error, self._error = self._error, None
                raise again(error)
            if self._feed.settled:
                self._raised = ""
                return
            await self.news.wait()

    async def _fetch(self, tags: Sequence[str], consistency: str | None) -> HealthAnswer:
        async with self._feed.fetches:
            answer = await self.client.service_health(self.service, tags=tags, consistency=consistency)
        self.index = answer.index
        return answer


def following(answer: CatalogAnswer, index: int) -> int:
    """The index to wait with next; an index that went back is not waited for (Consul issue 7939)."""
    return answer.index if answer.index >= index else 0


def again(error: Exception) -> ConsulError:
    """Make an error for one more place where another one is the reason."""
    if isinstance(error, ConnectionError):
        return ConsulUnreachableError(str(error))
    return ConsulError(str(error) or type(error).__name__)

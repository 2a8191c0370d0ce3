"""The connections to one Consul agent, for any number of services: at most 15.

Consul accepts 200 connections from one address (`http_max_conns_per_client`), and a blocking query occupies
one. So the first services have a blocking query each, and all others share three (`shared_queries`).

A service that has changed is queried at once, and every service once a minute, as a blocking query would end.
Reasons and figures: docs/adr/consul-connections.md.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from random import Random
from types import TracebackType
from typing import NoReturn, Self

from pylb.clients.consul import (
    ConsulClient,
    HealthAnswer,
    copied,
)
from pylb.clients.consul_catalog import ConsulCatalog
from pylb.config.sources import Consul
from pylb.discovery.sources.consul.names import ServiceNames
from pylb.discovery.sources.consul.shared_queries import SHARED_QUERIES, WAIT, SharedQueries, following
from pylb.runtime.backoff import Backoff

OWN_QUERIES = 8
"""Number of services with a separate blocking query; later services share queries."""
FETCHES = 4
"""Concurrent queries without a wait."""
CONNECTIONS = OWN_QUERIES + SHARED_QUERIES + FETCHES
"""Together with the connection that keeps pylb registered, 16."""


class ConsulFeed:
    """Owns the connections to one agent, and queries the instances of services.

        async with ConsulFeed(settings) as feed:
            with feed.subscribe("web") as subscription:
                answer = await subscription.health()

    `run` must be running if more services are followed than have separate queries.

    Args:
        settings: where Consul is.
        own_queries: number of services with a separate blocking query; `OWN_QUERIES` by default.
        follows_names: whether `names` is used.
        sleep: waits so many seconds.
        rng: source of jitter.
    """

    def __init__(
        self,
        settings: Consul,
        *,
        own_queries: int | None = None,
        follows_names: bool = False,
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
        """Subscriptions without a separate query, by service."""
        self._followed: Counter[str] = Counter()
        """The number of subscriptions, by service."""
        self._names = ServiceNames()
        """The names of all services, while there are shared queries."""
        self._follows_names = follows_names
        self._needed = asyncio.Event()
        self.settled = False
        """Whether the feed detects every later change, so that an answer cannot become stale."""

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
        """Follow a service, with a separate blocking query while fewer than `own_queries` are in use."""
        own = self._own > 0
        subscription = Subscription(self, service, own=own)
        self._followed[service] += 1
        if own:
            self._own -= 1
        else:
            self._shared[service].add(subscription)
            self._needed.set()
        try:
            yield subscription
        finally:
            self._followed -= Counter([service])
            if own:
                self._own += 1
            else:
                self._shared[service].discard(subscription)
                if not self._shared[service]:
                    del self._shared[service]

    @property
    def known_services(self) -> frozenset[str] | None:
        """The names of all services; None if they are not followed."""
        return self._names.listed

    async def names(self) -> AsyncGenerator[frozenset[str], None]:
        """Yield the names of all services after each change: by a separate query, or by the shared ones.

        Raises:
            ConsulError: no usable answer.
        """
        catalog, index = ConsulCatalog(self.client), 0
        while not self._needed.is_set():
            answer = await catalog.services(index, WAIT)
            index = following(answer, index)
            self._names.on_list(answer.read())
            yield self._names.listed or frozenset()
        async with aclosing(self._names.watch()) as watch:
            async for names in watch:
                yield names

    async def run(self) -> NoReturn:
        """Run the shared queries until cancelled, once there are services that need them."""
        backoff = Backoff(self.rng)

        def settled() -> None:
            backoff.reset()
            self.settled = True
            self._notify(set(self._shared))

        try:
            while True:
                await self._needed.wait()
                try:
                    catalog = ConsulCatalog(self.client)
                    await SharedQueries(
                        catalog,
                        self._found,
                        self._notify_newer,
                        settled,
                        sleep=self._sleep,
                        named=self._names.on_list if self._follows_names else None,
                    ).run()
                except Exception as error:  # No error ends the feed.
                    self._failed(error)
                    await self._sleep(backoff.after(error))
        finally:
            await self.close()

    def _found(self, services: set[str]) -> None:
        """Notify services that may have changed, or hint at new ones."""
        self._notify(services)
        self._names.on_hint(services - self._followed.keys())

    def _notify(self, services: set[str]) -> None:
        for service in services & self._shared.keys():
            for subscription in self._shared[service]:
                subscription.changed.set()

    def _notify_newer(self, index: int) -> None:
        """Notify the services whose last answer is newer than an index."""
        for subscriptions in self._shared.values():
            for subscription in subscriptions:
                if subscription.index > index:
                    subscription.changed.set()

    def _failed(self, error: Exception) -> None:
        """Report to every subscription that changes may have been missed."""
        self.settled = False
        self._names.on_error(error)
        for subscriptions in self._shared.values():
            for subscription in subscriptions:
                subscription.fail(error)


class Subscription:
    """The health answers of one service, one after the other. `ConsulFeed.subscribe` creates it."""

    def __init__(self, feed: ConsulFeed, service: str, *, own: bool) -> None:
        self.service = service
        self.changed = asyncio.Event()
        """Set by the feed when the service may have changed, on an error, and when the feed has settled."""
        self.index = 0
        """The index of the last answer that was fetched."""
        self._feed = feed
        self._own = own
        self._error: Exception | None = None
        """Why changes may have been missed, until it is raised."""
        self._raised = ""
        """The last error that was raised since the feed settled."""

    @property
    def client(self) -> ConsulClient:
        """The client that all subscriptions share, for other queries about the service."""
        return self._feed.client

    def fail(self, error: Exception) -> None:
        """Make `health` raise an error; once, as long as the same error repeats."""
        if str(error) != self._raised:
            self._error, self._raised = error, str(error)
            self.changed.set()

    async def health(
        self,
        *,
        tags: Sequence[str] = (),
        index: int = 0,
        wait: float = WAIT,
        consistency: str | None = None,
    ) -> HealthAnswer:
        """Return the instances of the service; see `ConsulClient.service_health`.

        Args:
            tags: only instances with all of these tags.
            index: wait for a change after this index; 0 returns the current instances.
            wait: longest wait in seconds.
            consistency: overrides that of the settings.

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
            answer = await self._fetch(tags, "default")  # That server does not have the change yet.
        return answer

    async def _changed(self, wait: float) -> bool:
        """Wait for a change; return False if the wait ended without one.

        The wait is shortened at random, so that services that were queried together are queried apart.
        """
        try:
            async with asyncio.timeout(wait * self._feed.rng.uniform(0.5, 1.0)):
                await self.changed.wait()
        except TimeoutError:
            return False
        return True

    async def _settled(self) -> None:
        """Wait until the feed has settled, and forget earlier changes."""
        while True:
            self.changed.clear()
            if self._error is not None:
                error, self._error = self._error, None
                raise copied(error)
            if self._feed.settled:
                self._raised = ""
                return
            await self.changed.wait()

    async def _fetch(self, tags: Sequence[str], consistency: str | None) -> HealthAnswer:
        async with self._feed.fetches:
            answer = await self.client.service_health(self.service, tags=tags, consistency=consistency)
        self.index = answer.index
        return answer

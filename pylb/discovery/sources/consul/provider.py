"""Yields the instances of a service in Consul: one snapshot for each answer.

Rules: an answer that may be incomplete is marked as untrusted. An empty answer that may be wrong is an error.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace

from pylb.clients.consul import ConsulError, HealthAnswer
from pylb.discovery.abbreviation import abbreviated
from pylb.discovery.sources.consul.feed import ConsulFeed, Subscription
from pylb.discovery.sources.consul.health import parse_instances
from pylb.discovery.sources.consul.missing import Missing
from pylb.discovery.sources.consul.parse_cache import ParseCache
from pylb.discovery.sources.consul.visibility import Visibility
from pylb.discovery.status import DiscoveryStatus
from pylb.model import Endpoint, Snapshot

log = logging.getLogger("pylb.discovery")

WAIT = 55.0
"""Seconds that Consul may keep a query open. An answer without a change is also a full resynchronisation, and
prevents devices in between from closing an idle connection."""
HIDDEN_WAIT = 10.0
"""The same while ACLs hide instances: a token that regains its rights does not end a query."""
MAX_STALENESS = 2.0
"""Seconds since the server's last contact with the leader; above that, pylb queries the leader itself."""


class ConsulProvider:
    """Yields one service's instances after each answer of Consul.

    Args:
        feed: the connections to Consul.
        service: the service's name.
        status: receives the index and the actions of guards.
        tags: only instances with all of these tags.
        include_warning: whether instances with the status `warning` are routable.
        wait: seconds that Consul may keep a query open.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        feed: ConsulFeed,
        service: str,
        *,
        status: DiscoveryStatus,
        tags: Sequence[str] = (),
        include_warning: bool = False,
        wait: float = WAIT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = feed.settings
        self.service = service
        self.status = status
        self.tags = tags
        self.include_warning = include_warning
        self.wait = wait
        self._feed = feed
        self._clock = clock
        self._parse_cache = ParseCache()
        self._missing = Missing(service, tags)
        self._known: tuple[Endpoint, ...] = ()
        """The routable instances of the last snapshot."""

    async def watch(self) -> AsyncGenerator[Snapshot, None]:
        """See `Provider.watch`. Each call begins without an index.

        Raises:
            ConsulError: no answer, or an empty one that may be wrong.
        """
        with self._feed.subscribe(self.service) as subscription:
            visibility = Visibility(subscription.client)
            index, healthy, seen = 0, False, False
            while True:
                answer = await self._query(subscription, index)
                snapshot = await self._complete(self._parse(answer), visibility)
                if healthy and not snapshot.endpoints:
                    answer = await self._query(subscription, 0, "consistent")
                    snapshot = await self._complete(self._parse(answer), visibility)
                    self.status.guards["empty_refuted" if snapshot.endpoints else "empty_confirmed"] += 1
                if answer.index < index:
                    # Another server, or another registry (Consul issue 7939): restart without an index. The
                    # answer may be an older state, so it does not prove that an instance is gone.
                    self.status.guards["index_reset"] += 1
                    snapshot = replace(
                        snapshot, untrusted_reason=f"the index decreased from {index} to {answer.index}"
                    )
                    index = 0
                else:
                    index = answer.index
                self.status.index = answer.index
                healthy = bool(snapshot.endpoints)
                self._known = snapshot.endpoints
                known = self._feed.known_services
                seen = seen or not snapshot.empty
                if snapshot.empty and not (seen and known is not None):  # That name is not misspelled.
                    self.status.missing = await self._missing.explain(subscription.client, known)
                yield snapshot

    async def _query(
        self, subscription: Subscription, index: int, consistency: str | None = None
    ) -> HealthAnswer:
        """Query once, and again at the leader if the server that answered is behind it."""
        answer = await subscription.health(
            tags=self.tags,
            index=index,
            wait=min(self.wait, HIDDEN_WAIT) if self.status.hidden else self.wait,
            consistency=consistency,
        )
        if not behind(answer):
            return answer
        self.status.guards["stale_contact" if answer.known_leader else "no_leader"] += 1
        if self.settings.consistency != "stale" or consistency:
            return answer
        try:
            return await subscription.health(tags=self.tags, consistency="default")
        except ConsulError:
            return answer  # It may add and change instances all the same.

    def _parse(self, answer: HealthAnswer) -> Snapshot:
        """Translate an answer; note why it may be incomplete.

        Raises:
            ConsulError: it is empty, and may be incomplete.
        """
        untrusted_reason = behind(answer)
        if answer.filtered:
            self.status.guards["acl_filtered"] += 1
            untrusted_reason = "Consul hides instances from this token, it needs service:read and node:read"
        if untrusted_reason and not answer.items:
            raise ConsulError(f"Consul lists no instance of {self.service}, but {untrusted_reason}")
        endpoints, excluded = parse_instances(
            self.service, answer.items, include_warning=self.include_warning, parse=self._parse_cache.next()
        )
        return Snapshot(
            service=self.service,
            endpoints=endpoints,
            excluded=excluded,
            observed=self._clock(),
            cause=f"consul index {answer.index}",
            untrusted_reason=untrusted_reason,
        )

    async def _complete(self, snapshot: Snapshot, visibility: Visibility) -> Snapshot:
        """Keep the instances that are registered but hidden from the token, as they were last seen.

        Raises:
            ConsulError: no instance is readable, since the token lacks a right.
        """
        listed = {e.key for e in (*snapshot.endpoints, *(x.endpoint for x in snapshot.excluded))}
        hidden = await visibility.hidden([e for e in self._known if e.key not in listed])
        lacking = await visibility.missing(self.service, hidden) if hidden or not listed else ""
        if lacking and not listed:
            self.status.guards["acl_filtered"] += 1
            raise ConsulError(f"Consul lists no instance of {self.service}, but the token lacks {lacking}")
        self._note_hidden(hidden, lacking)
        if not hidden:
            return snapshot
        endpoints = sorted((*snapshot.endpoints, *hidden), key=lambda e: e.key)
        return replace(snapshot, endpoints=tuple(endpoints))

    def _note_hidden(self, hidden: Sequence[Endpoint], lacking: str) -> None:
        """Report which instances are kept although they are not readable, and why."""
        why = f"the token lacks {lacking}" if lacking else "Consul does not list them for this token"
        before, self.status.hidden = self.status.hidden, len(hidden)
        self.status.hidden_reason = why if hidden else ""
        if hidden and before != len(hidden):
            self.status.guards["acl_filtered"] += 1
            names = abbreviated([e.id for e in hidden])
            log.warning("%s: retaining %s: registered, but %s", self.service, names, why)


def behind(answer: HealthAnswer) -> str:
    """Return why the answering server may lack changes; empty if it does not."""
    if not answer.known_leader:
        return "the server that answered knows no leader"
    if answer.last_contact > MAX_STALENESS:
        return f"the server that answered had no contact with its leader for {answer.last_contact:.1f} s"
    return ""

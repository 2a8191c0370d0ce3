"""Endpoints from Consul: one answer after the other, each weighed before it is passed on."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace

from pylb.clients.consul import ConsulError, HealthAnswer
from pylb.discovery.abbreviation import abbreviated
from pylb.discovery.sources.consul.feed import ConsulFeed, Subscription
from pylb.discovery.sources.consul.health import read_instances
from pylb.discovery.sources.consul.missing import Missing
from pylb.discovery.sources.consul.parse_cache import Rereading
from pylb.discovery.sources.consul.visibility import Visibility
from pylb.discovery.status import DiscoveryStatus
from pylb.model import Endpoint, Snapshot

log = logging.getLogger("pylb.discovery")

WAIT = 55.0
"""Seconds that Consul may keep a query open. Its end without news is also a full resynchronisation, and keeps
the connection from looking idle to what lies between."""
HIDDEN_WAIT = 10.0
"""The same while ACLs hide instances: a token that gets its rights back wakes no query."""
MAX_STALENESS = 2.0
"""Seconds since a server heard from the leader, above which the leader itself is asked."""


class ConsulProvider:
    """Yields one service's instances after each answer of Consul.

    Args:
        feed: the connections to Consul.
        service: the service's name.
        status: gets the index and the guards taken.
        tags: only instances that carry all of these.
        include_warning: whether instances whose checks warn are sent requests.
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
        self._rereading = Rereading()
        self._missing = Missing(service, tags)
        self._known: tuple[Endpoint, ...] = ()
        """What the last snapshot let requests go to."""

    async def watch(self) -> AsyncGenerator[Snapshot, None]:
        """See `Provider.watch`. Each call begins without an index.

        Raises:
            ConsulError: no answer, or one that proves nothing.
        """
        with self._feed.subscribe(self.service) as subscription:
            visibility = Visibility(subscription.client)
            index, healthy = 0, False
            while True:
                answer = await self._ask(subscription, index)
                snapshot = await self._complete(self._read(answer), visibility)
                if healthy and not snapshot.endpoints:
                    answer = await self._ask(subscription, 0, "consistent")
                    snapshot = await self._complete(self._read(answer), visibility)
                    self.status.guards["empty_refuted" if snapshot.endpoints else "empty_confirmed"] += 1
                if answer.index < index:
                    # Another server, or another registry altogether (Consul issue 7939): begin anew, and do
                    # not take what may be an older state as proof that something has gone.
                    self.status.guards["index_reset"] += 1
                    snapshot = replace(
                        snapshot, untrusted_reason=f"the index went back from {index} to {answer.index}"
                    )
                    index = 0
                else:
                    index = answer.index
                self.status.index = answer.index
                healthy = bool(snapshot.endpoints)
                self._known = snapshot.endpoints
                if snapshot.empty:
                    self.status.missing = await self._missing.explain(subscription.client)
                yield snapshot

    async def _ask(
        self, subscription: Subscription, index: int, consistency: str | None = None
    ) -> HealthAnswer:
        """Ask once; if a server answers that is behind the leader, ask the leader, if there is one."""
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
            return answer  # what it adds is welcome even so

    def _read(self, answer: HealthAnswer) -> Snapshot:
        """Translate an answer, with the reasons to doubt it.

        Raises:
            ConsulError: it lists nothing at all, and there is reason to doubt that.
        """
        untrusted_reason = behind(answer)
        if answer.filtered:
            self.status.guards["acl_filtered"] += 1
            untrusted_reason = "Consul hides instances from this token, it needs service:read and node:read"
        if untrusted_reason and not answer.items:
            raise ConsulError(f"Consul lists no instance of {self.service}, but {untrusted_reason}")
        endpoints, excluded = read_instances(
            self.service, answer.items, include_warning=self.include_warning, read=self._rereading.next()
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
            log.warning("%s: keeping %s: registered, but %s", self.service, names, why)


def behind(answer: HealthAnswer) -> str:
    """Say in what way the answering server may have missed something; empty if it has not."""
    if not answer.known_leader:
        return "the server that answered knows no leader"
    if answer.last_contact > MAX_STALENESS:
        return f"the server that answered last heard from its leader {answer.last_contact:.1f} s ago"
    return ""

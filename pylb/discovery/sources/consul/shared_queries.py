"""Finds the services that change, with three blocking queries for any number of services.

| query | returns on every change of | shows |
|---|---|---|
| `/v1/health/state/critical`, `/v1/health/state/warning` | any check | which services' health has changed |
| `/v1/catalog/services` | any instance | nothing: pylb lists the checks or instances of every node |

A check that passes is in neither of the first two, so a return without a difference is a hint that an
instance with a check has appeared or disappeared. pylb then lists the checks at once, without waiting for the
third query, which takes Consul longer. Reasons and figures: docs/adr/consul-connections.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from math import inf
from typing import NoReturn

from pylb.clients.consul import ConsulError
from pylb.clients.consul_catalog import CatalogAnswer, ConsulCatalog
from pylb.discovery.sources.consul.changes import Changes
from pylb.runtime.concurrently import run_all

SHARED_QUERIES = 3
"""Blocking queries."""
LISTINGS = 3
"""Concurrent queries that list something on a node: fewer than `feed.FETCHES`, so that a service that a
listing has found is queried before the listing ends."""
UNHEALTHY = ("critical", "warning")
HINTING = "critical"
"""The query whose returns without a difference are hints; one is enough."""
PAUSE = 0.01
"""Seconds after a return of a shared query before the next one: later changes are collected."""
LATER = 5.0
"""Seconds after which instances are listed, too, if checks have shown a change: there may be others."""
WAIT = 55.0
"""Seconds that Consul may keep a shared query open."""
MAX_FRUITLESS = 2
"""Hints in a row without a change after which pylb follows at most one hint in `HINT_INTERVAL`: the output of
checks that pass changes, too."""
HINT_INTERVAL = 1.0


class SharedQueries:
    """The shared queries of one agent, from their start until one fails.

    Args:
        catalog: the client.
        changed: called with the names of services that may have changed.
        listed: called after instances were listed, with the index of the list before: a service whose last
            response is newer may have had an instance that is in neither list.
        settled: called once, when every query has been answered: later changes are noticed.
        sleep: waits so many seconds.
        named: called with the names of all services after a change of any instance; None if they are unused.
    """

    def __init__(
        self,
        catalog: ConsulCatalog,
        changed: Callable[[set[str]], None],
        listed: Callable[[int], None],
        settled: Callable[[], None],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        named: Callable[[Iterable[str]], None] | None = None,
    ) -> None:
        self._catalog = catalog
        self._named = named
        self._changed = changed
        self._listed = listed
        self._settled = settled
        self._sleep = sleep
        self._changes = Changes()
        self._clock = asyncio.get_running_loop().time
        self._unanswered = {*UNHEALTHY, "instances"}
        """The queries that have not been answered yet."""
        self._nodes: frozenset[str] = frozenset()
        """The nodes of the last listing."""
        self._connections = asyncio.Semaphore(LISTINGS)
        self._listing_checks = asyncio.Lock()
        self._checks_index = 0
        """The index of the last list of checks."""
        self._checks_changed = False
        """Whether it differed from the list before."""
        self._hint = 0
        """The index of the last hint."""
        self._hinted = asyncio.Event()
        self._fruitless = 0
        """Hints in a row that led to no change."""

    async def run(self) -> None:
        """Follow the queries.

        Raises:
            ConsulError: one has failed.
        """
        await run_all(
            {
                **{f"follow {state} checks": self._follow_checks(state) for state in UNHEALTHY},
                "follow instances": self._follow_instances(),
                "follow hints": self._follow_hints(),
            }
        )

    async def _follow_checks(self, state: str) -> NoReturn:
        index = 0
        while True:
            answer = await self._catalog.checks(state, index, WAIT)
            changed = self._changes.unhealthy(state, answer.read())
            self._changed(changed)
            if state == HINTING and index not in {0, answer.index} and not changed:
                self._hint = answer.index
                self._hinted.set()
            self._answered(state)
            index = following(answer, index)
            await self._sleep(PAUSE)

    async def _follow_hints(self) -> NoReturn:
        while True:
            await self._hinted.wait()
            self._hinted.clear()
            if self._hint <= self._checks_index:
                continue
            began = self._clock()
            self._fruitless = 0 if await self._list_checks(self._hint) else self._fruitless + 1
            fruitless = self._fruitless > MAX_FRUITLESS
            await self._sleep(HINT_INTERVAL if fruitless else max(PAUSE, self._clock() - began))

    async def _follow_instances(self) -> NoReturn:
        index, due, listed = 0, inf, 0
        while True:
            answer = await self._catalog.services(index, min(WAIT, max(PAUSE, due - self._clock())))
            began, woken = self._clock(), answer.index != index
            if woken:
                if self._named is not None:
                    self._named(answer.read())
                # An index that has decreased (Consul issue 7939) does not describe the last list.
                changed = await self._list_checks(answer.index if 0 < index < answer.index else 0)
                due = min(due, began + LATER if changed and index else began)
            if self._clock() >= due:
                await self._list(self._catalog.node_instances, self._changes.instances)
                self._listed(listed)
                listed, due = answer.index, inf
                self._answered("instances")
            index = following(answer, index)
            # Continuous changes take at most half of the time.
            await self._sleep(max(PAUSE, self._clock() - began) if woken else PAUSE)

    async def _list_checks(self, index: int) -> bool:
        """List the checks on all nodes; return whether they differ.

        Args:
            index: a list that includes this index is used again; 0 for a new list.
        """
        async with self._listing_checks:
            if not 0 < index <= self._checks_index:
                self._checks_changed, self._checks_index = await self._list(
                    self._catalog.node_checks, self._changes.checks
                )
            return self._checks_changed

    async def _list(
        self, query: Callable[[str], Awaitable[CatalogAnswer]], compare: Callable[[str, bytes], set[str]]
    ) -> tuple[bool, int]:
        """List something on all nodes, and report differences node by node.

        The nodes are those of the last listing; the list of nodes is read at the same time, and new nodes
        follow.

        Returns:
            Whether anything differs, and the lowest index of all answers.
        """
        changed: set[str] = set()
        indexes: list[int] = []

        async def look(node: str) -> None:
            async with self._connections:
                answer = await query(node)
            try:
                found = compare(node, answer.body)
            except ValueError as error:
                raise ConsulError(f"cannot understand what is on node {node!r}: {error}") from error
            self._changed(found)
            changed.update(found)
            indexes.append(answer.index)

        async def look_for_nodes(known: frozenset[str]) -> None:
            async with self._connections:
                nodes = await self._catalog.nodes()
            self._nodes = frozenset(str(node.get("Node")) for node in nodes if isinstance(node, dict))
            await run_all({f"list {node}": look(node) for node in self._nodes - known})

        known = self._nodes
        await run_all(
            {
                **{f"list {node}": look(node) for node in sorted(known)},
                "list nodes": look_for_nodes(known),
            }
        )
        gone = self._changes.retain(self._nodes)
        self._changed(gone)
        return bool(changed or gone), min(indexes, default=0)

    def _answered(self, query: str) -> None:
        if self._unanswered:
            self._unanswered.discard(query)
            if not self._unanswered:
                self._settled()


def following(answer: CatalogAnswer, index: int) -> int:
    """Return the index for the next query; 0 if the index has decreased (Consul issue 7939)."""
    return answer.index if answer.index >= index else 0

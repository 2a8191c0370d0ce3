"""The services of the registry's catalog: each is followed, and those that declare a route are served.

A service begins when the catalog lists it. It ends when the catalog no longer lists it and its last snapshot
has no instances, so that a registry that has restarted empty removes nothing that the guard retains.

The number of services is bounded, since each has a pipeline. Those that are followed already are kept, and
further ones are a problem until there is room.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import NoReturn

from pylb.control.control import Control
from pylb.control.routing import Routing
from pylb.discovery.abbreviation import abbreviated
from pylb.model import Snapshot
from pylb.routes.catalog import RANK, Catalog, Rules
from pylb.routes.quote import quoted
from pylb.routes.route import Problem
from pylb.runtime.backoff import Backoff, TokenBucket

log = logging.getLogger("pylb.routes")

MOST_SERVICES = 10_000
"""Services that are followed: ten times those for which pylb is measured."""

INVALID = "invalid"
"""The cause of an excluded instance whose tags are unknown; see `Excluded.cause`."""

Names = Callable[[], AsyncGenerator[frozenset[str], None]]


class CatalogServices:
    """Follows the services of a catalog.

    Args:
        names: yields the names of all services.
        rules: how instances declare routes.
        control: runs the pipelines.
        routing: receives the declarations.
    """

    def __init__(self, names: Names, rules: Rules, control: Control, routing: Routing) -> None:
        self.tried = asyncio.Event()
        """Set after the first response or failure of the catalog."""
        self.listed = asyncio.Event()
        """Set after the first response of the catalog."""
        self._names = names
        self._names_listed: frozenset[str] = frozenset()
        """What the catalog lists."""
        self._left_out: list[str] = []
        """The services for which there is no room."""
        self._failed = False
        self._control = control
        self._routing = routing
        self._catalog = Catalog(rules)
        self._listed: frozenset[str] = frozenset()
        """The services that are followed because the catalog lists them."""
        self._problem = ""

    def is_listed(self, service: str) -> bool:
        """Whether the catalog lists a service, and it is followed."""
        return service in self._listed

    def read(self, snapshot: Snapshot) -> None:
        """Read the routes that the instances of a snapshot declare."""
        unhealthy = (excluded.endpoint for excluded in snapshot.excluded if excluded.cause != INVALID)
        instances = (*snapshot.endpoints, *unhealthy)
        for service in self._catalog.read(snapshot.service, instances):
            declaration, problems = self._catalog.declaration(service), self._catalog.problems(service)
            if declaration is None and service == snapshot.service:  # Without a pool that shows it.
                problems += _invalid(snapshot)
            self._routing.declare(RANK, service, declaration, problems)
        if snapshot.empty and snapshot.service not in self._listed:
            asyncio.get_running_loop().call_soon(self._end, snapshot.service)

    async def run(self) -> NoReturn:
        """Follow the names of the services without end."""
        backoff, bucket = Backoff(), TokenBucket(burst=20, rate=5)
        now = asyncio.get_running_loop().time
        last: frozenset[str] | None = None
        while True:
            try:
                async with aclosing(self._names()) as responses:
                    async for names in responses:
                        backoff.reset()
                        changed, last = names != last, names
                        self._on_names(names)
                        if not changed:
                            await asyncio.sleep(bucket.take(now()))
            except Exception as error:
                self._failed = True
                self._report(f"the catalog cannot be read: {error}"[:400])
                if not self.tried.is_set():
                    self._restore()
                self.tried.set()
                await asyncio.sleep(backoff.after(error))

    async def responses(self) -> None:
        """Wait until the catalog has responded, and the registry has for each service that it lists."""
        await self.listed.wait()
        for service in self._listed:
            if pipeline := self._control.pipelines.get(service):
                await pipeline.responded.wait()

    def _restore(self) -> None:
        """Follow the services on disk, as long as the catalog has not responded once."""
        for service in self._control.stored_services():
            self._control.follow(service)

    def _on_names(self, names: frozenset[str]) -> None:
        if self._failed:
            log.info("the catalog responds again")
        self._failed = False
        self._names_listed, self._left_out = names, []
        self._listed &= names
        for service in self._control.pipelines.keys() - names:
            self._end(service)
        self._admit()
        self.tried.set()
        self.listed.set()

    def _admit(self) -> None:
        """Follow the services that the catalog lists, as long as there is room."""
        followed = self._control.pipelines.keys()
        new = sorted(self._names_listed - followed)
        room = max(MOST_SERVICES - len(followed), 0)
        self._left_out = new[room:]
        self._listed = self._names_listed.difference(self._left_out)
        for service in new[:room]:
            self._control.follow(service)
        self._report(_surplus(self._left_out))

    def _end(self, service: str) -> None:
        """Stop following a service that is not listed, has no instances, and is not declared elsewhere."""
        pipeline = self._control.pipelines.get(service)
        if service in self._listed or pipeline is None or service in self._routing.declarations:
            return
        if pipeline.current is None or pipeline.current.empty:
            self._control.unfollow(service)
            if self._left_out:
                self._admit()

    def _report(self, problem: str) -> None:
        if problem and problem != self._problem:
            log.warning("%s", problem)
        self._problem = problem
        self._routing.set_problems(RANK, [Problem(problem, source="--catalog")] if problem else [])


def _invalid(snapshot: Snapshot) -> tuple[Problem, ...]:
    """Return the problem of each instance that cannot be read, and whose routes are therefore unknown."""
    return tuple(
        Problem(f"{quoted(each.endpoint.id)} is excluded: {each.reason}", snapshot.service, "--catalog")
        for each in snapshot.excluded
        if each.cause == INVALID
    )


def _surplus(names: list[str]) -> str:
    """Return the problem of services for which there is no room."""
    if not names:
        return ""
    listed = abbreviated([quoted(name) for name in names])
    return (
        f"the catalog has more than {MOST_SERVICES} services, the most that are followed; left out: {listed}"
    )

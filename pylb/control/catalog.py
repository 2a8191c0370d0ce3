"""The services of the registry's catalog: each is followed, and those that declare a route are served.

A service begins when the catalog lists it. It ends when the catalog no longer lists it and its last snapshot
has no instances, so that a registry that has restarted empty removes nothing that the guard retains.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import NoReturn

from pylb.control.control import Control
from pylb.control.routing import Routing
from pylb.model import Snapshot
from pylb.routes.catalog import RANK, Catalog, Rules
from pylb.routes.route import Problem
from pylb.runtime.backoff import Backoff, TokenBucket

log = logging.getLogger("pylb.routes")

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
        self._control = control
        self._routing = routing
        self._catalog = Catalog(rules)
        self._listed: frozenset[str] = frozenset()
        self._problem = ""

    def is_listed(self, service: str) -> bool:
        """Whether the catalog lists a service."""
        return service in self._listed

    def read(self, snapshot: Snapshot) -> None:
        """Read the routes that the instances of a snapshot declare."""
        instances = (*snapshot.endpoints, *(excluded.endpoint for excluded in snapshot.excluded))
        for service in self._catalog.read(snapshot.service, instances):
            declaration, problems = self._catalog.declaration(service), self._catalog.problems(service)
            self._routing.declare(RANK, service, declaration, problems)
        if not instances and snapshot.service not in self._listed:
            asyncio.get_running_loop().call_soon(self._end, snapshot.service)

    async def run(self) -> NoReturn:
        """Follow the names of the services without end."""
        backoff, bucket = Backoff(), TokenBucket(burst=20, rate=5)
        now = asyncio.get_running_loop().time
        while True:
            try:
                async with aclosing(self._names()) as responses:
                    async for names in responses:
                        backoff.reset()
                        changed = names != self._listed
                        self._on_names(names)
                        if not changed:
                            await asyncio.sleep(bucket.take(now()))
            except Exception as error:
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
        new, self._listed = names - self._listed, names
        for service in sorted(new):
            self._control.follow(service)
        for service in self._control.pipelines.keys() - names:
            self._end(service)
        self._report("")
        self.tried.set()
        self.listed.set()

    def _end(self, service: str) -> None:
        """Stop following a service that is not listed, has no instances, and is not declared elsewhere."""
        pipeline = self._control.pipelines.get(service)
        if service in self._listed or pipeline is None or service in self._routing.declarations:
            return
        if pipeline.current is None or pipeline.current.empty:
            self._control.unfollow(service)

    def _report(self, problem: str) -> None:
        if problem != self._problem:
            log.warning("%s", problem) if problem else log.info("the catalog responds again")
        self._problem = problem
        self._routing.set_problems(RANK, [Problem(problem, source="--catalog")] if problem else [])

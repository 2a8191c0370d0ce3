"""Follows all sources of routes, and gives what they declare to `Routing`.

Rules: a source that fails keeps its last declarations, and its error is a problem until it responds again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pkgutil import resolve_name
from typing import TYPE_CHECKING, NoReturn

from pylb.assembly.routes import FILE_RANK, check_of, prefixes, route_files
from pylb.config import Options
from pylb.config.routing import CONSUL_PREFIX
from pylb.config.sources import Consul
from pylb.control.catalog import CatalogServices
from pylb.control.routing import Routing
from pylb.discovery.routes.file import RouteFile
from pylb.printable import printable
from pylb.routes.declaration import Declarations, ServiceDeclaration
from pylb.routes.route import Problem
from pylb.runtime.backoff import Backoff, TokenBucket
from pylb.runtime.lifecycle import TaskScope, keep_running

if TYPE_CHECKING:
    from pylb.discovery.routes.kv import RouteKeys

log = logging.getLogger("pylb.routes")

KEYS = "pylb.discovery.routes.kv:RouteKeys"
"""Imported only if used, since its client of Consul takes longer to import than the rest of pylb."""

KEYS_RANK = 2
"""The rank of keys in Consul; those of `--service`, files and the catalog are 0, 1 and 3."""

FILE_PERIOD = 0.25
"""Seconds between two looks at a file."""

FIRST_RESPONSE_TIMEOUT = 5.0
"""Seconds that a source has for its first response before pylb starts with what it has."""


class RouteSources:
    """The files, the prefixes of keys, and the catalog.

    Args:
        options: the options of pylb.
        routing: receives the declarations.
        catalog: the services of the registry, if `--catalog` is on.
        published: what the control process before this one had published; a source that cannot be read still
            declares its part of it.
    """

    def __init__(
        self,
        options: Options,
        routing: Routing,
        catalog: CatalogServices | None,
        published: Iterable[ServiceDeclaration] = (),
    ) -> None:
        self._routing = routing
        self._catalog = catalog
        self._options = options
        self._files = route_files(options)
        self._keys = [self._route_keys(prefix) for prefix in prefixes(options)]
        self._declared: dict[object, Declarations] = {}
        """The last declarations of each file and each prefix."""
        self._tried = {keys: asyncio.Event() for keys in self._keys}
        """Set after the first response or failure."""
        self._responded = {keys: asyncio.Event() for keys in self._keys}
        """Set after the first response."""
        known = [*published]
        for file in self._files:
            file.resume(part_of(known, f"{file.path}, line "))
            self._put(file, FILE_RANK, file.read())
        for keys in self._keys:
            if services := part_of(known, f"{CONSUL_PREFIX}{keys.prefix}"):
                self._put(keys, KEYS_RANK, Declarations(services))

    @property
    def slow(self) -> bool:
        """Whether there are sources that respond later."""
        return bool(self._keys or self._catalog)

    def _route_keys(self, prefix: str) -> RouteKeys:
        new: Callable[..., RouteKeys] = resolve_name(KEYS)
        return new(Consul.of(self._options), prefix, KEYS_RANK, check_of(self._options))

    def start(self, scope: TaskScope) -> None:
        """Follow all sources until the scope closes."""
        for file in self._files:
            keep_running(partial(self._follow_file, file), name=f"follow {file.path}", scope=scope)
        for keys in self._keys:
            what = f"{CONSUL_PREFIX}{keys.prefix}"
            keep_running(partial(self._follow_keys, keys, what), name=f"follow {what}", scope=scope)
        if self._catalog is not None:
            keep_running(self._catalog.run, name="follow the catalog", scope=scope)

    async def first_result(self, *, responded: bool) -> None:
        """Wait until each source has a first result.

        Args:
            responded: wait for responses, however long that takes, since another pylb serves meanwhile. By
                default a failure is a result, and the wait has a limit.
        """
        try:
            async with asyncio.timeout(None if responded else FIRST_RESPONSE_TIMEOUT):
                for event in (self._responded if responded else self._tried).values():
                    await event.wait()
                if self._catalog is not None:
                    await self._catalog.tried.wait()
                    if responded or self._catalog.listed.is_set():
                        await self._catalog.responses()
        except TimeoutError:
            log.warning("a source of routes has not responded in %g s", FIRST_RESPONSE_TIMEOUT)

    async def _follow_file(self, file: RouteFile) -> NoReturn:
        """Read a file again after each change, without end, in a thread: a large one takes seconds."""
        while True:
            await asyncio.sleep(FILE_PERIOD)
            if file.changed():
                self._put(file, FILE_RANK, await asyncio.to_thread(file.read))

    async def _follow_keys(self, keys: RouteKeys, what: str) -> NoReturn:
        """Follow the keys of a prefix without end."""
        backoff, bucket = Backoff(), TokenBucket(burst=10, rate=5)
        now = asyncio.get_running_loop().time
        while True:
            try:
                async with aclosing(keys.watch()) as responses:
                    async for declared in responses:
                        backoff.reset()
                        unchanged = declared == self._declared.get(keys)
                        self._put(keys, KEYS_RANK, declared)
                        self._tried[keys].set()
                        self._responded[keys].set()
                        if unchanged:
                            await asyncio.sleep(bucket.take(now()))
            except Exception as error:
                self._fail(keys, what, error)
                await asyncio.sleep(backoff.after(error))

    def _fail(self, keys: RouteKeys, what: str, error: Exception) -> None:
        """Keep what the keys declared, and report that they cannot be read."""
        known = self._declared.get(keys, Declarations())
        text = f"{what} cannot be read: {error}"[:400]
        self._put(keys, KEYS_RANK, replace(known, problems=(Problem(text, source=f"--routes {what}"),)))
        self._tried[keys].set()

    def _put(self, source: object, rank: int, declared: Declarations) -> None:
        """Declare what all sources of one rank declare together; log changed problems."""
        known = self._declared.get(source, Declarations()).problems
        for problem in declared.problems:
            if problem not in known:
                log.warning("%s%s", printable(problem.text), _kept(declared))
        if known and not declared.problems:
            log.info("%s: no problem is left", known[0].source)
        self._declared[source] = declared
        same = self._files if rank == FILE_RANK else self._keys
        self._routing.replace(rank, joined(self._declared[each] for each in same if each in self._declared))


def _kept(declared: Declarations) -> str:
    number = len(declared.services)
    return f"; {number} services are served as declared" if number else ""


def part_of(published: Iterable[ServiceDeclaration], source: str) -> tuple[ServiceDeclaration, ...]:
    """Return the declarations with those of their routes whose source begins like this."""
    parts = (
        replace(each, routes=tuple(route for route in each.routes if route.source.startswith(source)))
        for each in published
    )
    return tuple(each for each in parts if each.routes)


def joined(parts: Iterable[Declarations]) -> Declarations:
    """Return the declarations of several sources as one; the first declaration of a service counts."""
    services: dict[str, ServiceDeclaration] = {}
    problems: list[Problem] = []
    for part in parts:
        problems += part.problems
        for each in part.services:
            first = services.setdefault(each.service, each)
            if first is not each:
                source = each.routes[0].source if each.routes else ""
                text = f"{each.service!r} is declared twice, expected it once; the first one counts"
                problems.append(Problem(text, each.service, source))
    return Declarations(tuple(services.values()), tuple(problems))

"""Follows all sources of routes, and gives what they declare to `Routing`.

Rules: a source that fails keeps its last declarations, and its error is a problem until it responds again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import aclosing
from dataclasses import replace
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from pylb.config import Options
from pylb.config.routing import CONSUL_PREFIX
from pylb.config.settings import with_settings
from pylb.config.sources import Consul
from pylb.control.catalog import CatalogServices
from pylb.control.routing import Routing
from pylb.discovery.routes.file import RouteFile
from pylb.discovery.sources.static import parse_backends
from pylb.routes.declaration import Declarations, ServiceDeclaration
from pylb.routes.route import Problem
from pylb.runtime.backoff import Backoff, TokenBucket
from pylb.runtime.lifecycle import TaskScope, keep_running

if TYPE_CHECKING:
    from pylb.discovery.routes.kv import RouteKeys

log = logging.getLogger("pylb.routes")

KEYS = "pylb.discovery.routes.kv:RouteKeys"
"""Imported only if used, since its client of Consul takes longer to import than the rest of pylb."""

FILE_RANK, KEYS_RANK = 1, 2
"""The ranks of the sources; those of `--service` and of the catalog are 0 and 3."""

FIRST_RESPONSE_TIMEOUT = 5.0
"""Seconds that a source has for its first response before pylb starts with what it has."""


class RouteSources:
    """The files, the prefixes of keys, and the catalog.

    Args:
        options: the options of pylb.
        routing: receives the declarations.
        catalog: the services of the registry, if `--catalog` is on.
    """

    def __init__(self, options: Options, routing: Routing, catalog: CatalogServices | None) -> None:
        self._routing = routing
        self._catalog = catalog
        self._options = options
        paths = [each for each in options.routes if not each.startswith(CONSUL_PREFIX)]
        self._files = [RouteFile(path, (FILE_RANK, place), self.check) for place, path in enumerate(paths)]
        prefixes = [each.removeprefix(CONSUL_PREFIX) for each in options.routes if each not in paths]
        self._keys = [self._route_keys(prefix) for prefix in prefixes]
        self._declared: dict[object, Declarations] = {}
        """The last declarations of each file and each prefix."""
        self._pending: set[object] = {*self._keys}
        """The sources without a first response."""
        self._responded = asyncio.Event()
        for file in self._files:
            self._put(file, FILE_RANK, file.read())

    @property
    def slow(self) -> bool:
        """Whether there are sources that respond later."""
        return bool(self._keys or self._catalog)

    def check(self, name: str, value: str) -> None:
        """Check a setting, or the fixed backends of a service.

        Raises:
            ValueError: it is invalid; the message is one line.
        """
        if name != "backends":
            with_settings(self._options, ((name, value),))
            return
        try:
            parse_backends("", value)
        except ValueError as error:
            raise ValueError(f"backends: {error}") from None

    def _route_keys(self, prefix: str) -> RouteKeys:
        new: Callable[..., RouteKeys] = resolve_name(KEYS)
        return new(Consul.of(self._options), prefix, KEYS_RANK, self.check)

    def start(self, scope: TaskScope) -> None:
        """Follow all sources until the scope closes."""
        for file in self._files:
            keep_running(self._follow(file, file.path, FILE_RANK), name=f"follow {file.path}", scope=scope)
        for keys in self._keys:
            what = f"{CONSUL_PREFIX}{keys.prefix}"
            keep_running(self._follow(keys, what, KEYS_RANK), name=f"follow {what}", scope=scope)
        if self._catalog is not None:
            keep_running(self._catalog.run, name="follow the catalog", scope=scope)

    async def first_result(self) -> None:
        """Wait until each source has responded or failed, at most `FIRST_RESPONSE_TIMEOUT` seconds."""
        try:
            async with asyncio.timeout(FIRST_RESPONSE_TIMEOUT):
                if self._keys:
                    await self._responded.wait()
                if self._catalog is not None:
                    await self._catalog.first_result.wait()
        except TimeoutError:
            log.warning("a source of routes has not responded in %g s", FIRST_RESPONSE_TIMEOUT)

    def _follow(
        self, source: RouteFile | RouteKeys, what: str, rank: int
    ) -> Callable[[], Coroutine[Any, Any, object]]:
        """Return a function that follows one source without end."""

        async def follow() -> None:
            backoff, bucket = Backoff(), TokenBucket(burst=10, rate=5)
            now = asyncio.get_running_loop().time
            while True:
                try:
                    watch: AsyncGenerator[Declarations, None] = source.watch()
                    async with aclosing(watch) as responses:
                        async for declared in responses:
                            backoff.reset()
                            self._put(source, rank, declared)
                            await asyncio.sleep(bucket.take(now()))
                except Exception as error:
                    self._fail(source, rank, what, error)
                    await asyncio.sleep(backoff.after(error))

        return follow

    def _fail(self, source: object, rank: int, what: str, error: Exception) -> None:
        known = self._declared.get(source, Declarations())
        text = f"{what} cannot be read: {error}"[:400]
        if text not in [problem.text for problem in known.problems]:
            log.warning("%s", text)
        self._put(source, rank, replace(known, problems=(Problem(text, source=f"--routes {what}"),)))

    def _put(self, source: object, rank: int, declared: Declarations) -> None:
        """Declare what all sources of one rank declare together."""
        self._declared[source] = declared
        same = self._files if rank == FILE_RANK else self._keys
        self._routing.replace(rank, joined(self._declared[each] for each in same if each in self._declared))
        self._pending.discard(source)
        if not self._pending:
            self._responded.set()


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

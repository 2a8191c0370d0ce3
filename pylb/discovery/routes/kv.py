"""Follows the keys of a prefix in Consul's KV store: one service for each key.

    pylb/routes/api        routes = ["/api strip=/api"]
                           response-timeout = "5s"

The value is what a file of routes has below `[services.api]`. A key with an error is excluded alone.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from pylb.clients.consul import ConsulClient
from pylb.config.sources import Consul
from pylb.routes.declaration import Declarations, ServiceDeclaration
from pylb.routes.file import Check, read_service
from pylb.routes.route import Problem

WAIT = 55.0
"""Seconds that Consul may keep a query open."""

MOST_SERVICES = 10_000
"""Keys that are read; further ones are a problem."""


class RouteKeys:
    """The keys of one prefix.

    Args:
        consul: where Consul is.
        prefix: of the keys.
        rank: of the source; a service's age is the index at which its key was created.
        check: checks a setting or the backends of a service.
    """

    def __init__(self, consul: Consul, prefix: str, rank: int, check: Check) -> None:
        self.prefix = prefix.strip("/") + "/"
        self._consul = consul
        self._rank = rank
        self._check = check
        self._read: dict[tuple[str, int], tuple[ServiceDeclaration | None, Problem | None]] = {}
        """By key and index of its last change."""

    async def watch(self) -> AsyncGenerator[Declarations, None]:
        """Yield what the keys declare, after each response.

        Raises:
            ConsulError: no answer.
        """
        async with ConsulClient(self._consul) as client:
            index = 0
            while True:
                answer, items = await client.kv.get(
                    self.prefix,
                    recurse=True,
                    index=index or None,
                    wait=f"{WAIT:g}s",
                    connections_timeout=WAIT * 17 / 16 + 5,
                )
                index = int(answer or 0)
                if index < 1:
                    index = 0
                yield self._declarations(items or [])

    def _declarations(self, items: list[dict[str, Any]]) -> Declarations:
        keys = [item for item in items if not item["Key"].endswith("/")]
        known, self._read = self._read, {}
        for item in keys[:MOST_SERVICES]:
            version = (item["Key"], item["ModifyIndex"])
            self._read[version] = known.get(version) or self._one(item)
        problems = [problem for _, problem in self._read.values() if problem]
        if len(keys) > MOST_SERVICES:
            text = f"{len(keys)} keys, expected at most {MOST_SERVICES}; the others are ignored"
            problems.append(Problem(text, source=f"consul:{self.prefix}"))
        return Declarations(tuple(each for each, _ in self._read.values() if each), tuple(problems))

    def _one(self, item: dict[str, Any]) -> tuple[ServiceDeclaration | None, Problem | None]:
        key = item["Key"]
        name = key.removeprefix(self.prefix)
        order = (self._rank, item["CreateIndex"])
        try:
            value = (item["Value"] or b"").decode()
            return read_service(name, value, f"consul:{key}", self._check, order), None
        except ValueError as error:
            reason = "expected UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
            return None, Problem(reason[:400], name[:100], f"consul:{key[:200]}")

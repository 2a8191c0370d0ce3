"""Handlers of `/v1/catalog` and `/v1/health`; each read is a blocking query."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from aiohttp import web

from pylb.registry.embedded.blocking import Answer, Changes
from pylb.registry.embedded.catalog import Catalog, CheckRow, Health, ServiceRow
from pylb.registry.embedded.definitions import RequestError
from pylb.registry.embedded.exchange import (
    DATACENTER,
    ReadOptions,
    answer_headers,
    flag,
    get,
    json_response,
    read_options,
    reject_filter,
)
from pylb.registry.embedded.views import (
    View,
    catalog_service,
    check_row,
    health_entry,
    node_services,
    node_view,
)

T = TypeVar("T")


class CatalogApi:
    """Handlers that read one catalog."""

    def __init__(self, catalog: Catalog, changes: Changes) -> None:
        self._catalog = catalog
        self._node = catalog.node
        self._changes = changes

    def routes(self) -> list[web.RouteDef]:
        """Return the paths with their handlers."""
        return [
            get("/v1/catalog/datacenters", self.datacenters),
            get("/v1/catalog/nodes", self.nodes),
            get("/v1/catalog/node/{node:.*}", self.node),
            get("/v1/catalog/services", self.services),
            get("/v1/catalog/service/{name:.*}", self.service_instances),
            get("/v1/health/service/{name:.*}", self.service_health),
            get("/v1/health/checks/{name:.*}", self.service_checks),
            get("/v1/health/state/{state:.*}", self.checks_in_state),
            get("/v1/health/node/{node:.*}", self.node_checks),
        ]

    async def datacenters(self, request: web.Request) -> web.Response:
        """Return the names of all datacenters, of which there is one."""
        return json_response(request, [DATACENTER])

    async def nodes(self, request: web.Request) -> web.Response:
        """Return the nodes, of which there is one."""
        nodes = self._catalog.nodes
        return await self._entries(request, nodes, lambda node, _: node_view(node))

    async def node(self, request: web.Request) -> web.Response:
        """A node and the instances on it; null if there is no such node."""
        name = _named(request, "node", "Missing node name")
        options = read_options(request)
        answer = await self._changes.settle(self._catalog.services, options.index, options.wait)
        content = (
            node_services(answer.content, self._node) if name.lower() == self._node.name.lower() else None
        )
        return json_response(request, content, answer_headers(answer, options.consistency))

    async def services(self, request: web.Request) -> web.Response:
        """Return the names of all services, with the tags of their instances."""
        options = read_options(request)
        answer = await self._changes.settle(self._catalog.services, options.index, options.wait)
        tags: dict[str, dict[str, None]] = {}
        for row in answer.content if self._node_matches(options) else ():
            tags.setdefault(row.service.name, {}).update(dict.fromkeys(row.service.tags))
        content = {name: list(tags[name]) for name in sorted(tags)}
        return json_response(request, content, answer_headers(answer, options.consistency))

    async def service_instances(self, request: web.Request) -> web.Response:
        """Return the instances of a service, healthy or not."""
        name = _named(request, "name", "Missing service name")

        def view(row: ServiceRow, options: ReadOptions) -> View | None:
            return catalog_service(row, self._node) if _has_tags(row, options) else None

        return await self._entries(request, lambda: self._catalog.instances(name), view)

    async def service_health(self, request: web.Request) -> web.Response:
        """Return the instances of a service with their checks.

        As in Consul, `passing` selects from the result: a change of a hidden instance ends a blocking query.
        """
        name = _named(request, "name", "Missing service name")
        passing = flag(request, "passing")

        def view(health: Health, options: ReadOptions) -> View | None:
            if not _has_tags(health.row, options) or (passing and not health.passing):
                return None
            return health_entry(health, self._node)

        return await self._entries(request, lambda: self._catalog.health(name), view)

    async def service_checks(self, request: web.Request) -> web.Response:
        """Return the checks of a service's instances."""
        name = _named(request, "name", "Missing service name")
        return await self._checks(request, lambda: self._catalog.checks(service=name))

    async def checks_in_state(self, request: web.Request) -> web.Response:
        """Return all checks with a status, or with any."""
        state = _named(request, "state", "Missing check state")
        return await self._checks(request, lambda: self._catalog.checks(state=state))

    async def node_checks(self, request: web.Request) -> web.Response:
        """Return the checks of a node and of its services."""
        node = _named(request, "node", "Missing node name")
        return await self._checks(request, lambda: self._catalog.node_checks(node))

    async def _checks(
        self, request: web.Request, query: Callable[[], Answer[list[CheckRow]]]
    ) -> web.Response:
        return await self._entries(request, query, lambda row, _: check_row(row, self._node))

    async def _entries(
        self,
        request: web.Request,
        query: Callable[[], Answer[list[T]]],
        view: Callable[[T, ReadOptions], View | None],
    ) -> web.Response:
        """Answer a blocking query for a list.

        Args:
            request: the request, with its read options.
            query: returns the members of the list.
            view: returns the JSON form of a member; None if the options exclude it.
        """
        options = read_options(request)
        reject_filter(request)
        answer = await self._changes.settle(query, options.index, options.wait)
        members: Iterable[T] = answer.content if self._node_matches(options) else ()
        views = (view(member, options) for member in members)
        content = [shown for shown in views if shown is not None]
        return json_response(request, content, answer_headers(answer, options.consistency))

    def _node_matches(self, options: ReadOptions) -> bool:
        return options.node_meta.items() <= self._node.meta.items()


def _named(request: web.Request, part: str, missing: str) -> str:
    name = request.match_info[part]
    if not name:
        raise RequestError(missing)
    return name


def _has_tags(row: ServiceRow, options: ReadOptions) -> bool:
    return {tag.lower() for tag in options.tags} <= {tag.lower() for tag in row.service.tags}

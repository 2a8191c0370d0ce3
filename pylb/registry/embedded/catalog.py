"""The catalog: the node, its services and checks, each with the indexes of its writes.

The answer to each query carries the index that a blocking query compares. The rules for which index a write
advances are those of Consul 1.8: the index of a service advances with its instances, their checks and the
checks of the node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pylb.registry.embedded.blocking import Answer, Changes
from pylb.registry.embedded.definitions import PASSING, Service

ANY_STATE = "any"


@dataclass(frozen=True, slots=True)
class Check:
    """A check of a service, or of the node if `service_id` is empty."""

    id: str
    name: str
    status: str
    notes: str = ""
    output: str = ""
    service_id: str = ""
    service_name: str = ""
    service_tags: tuple[str, ...] = ()
    type: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """The machine on which the services run; the embedded registry has one."""

    id: str
    name: str
    address: str
    datacenter: str
    index: int = 1
    meta: Mapping[str, str] = field(default_factory=lambda: {"consul-network-segment": ""})

    @property
    def tagged_addresses(self) -> dict[str, str]:
        """The address under each of Consul's names for it."""
        return dict.fromkeys(("lan", "lan_ipv4", "wan", "wan_ipv4"), self.address)


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """A service, and the writes that created and last changed it."""

    service: Service
    create_index: int
    modify_index: int


@dataclass(frozen=True, slots=True)
class CheckRow:
    """A check, and the writes that created and last changed it."""

    check: Check
    create_index: int
    modify_index: int


@dataclass(frozen=True, slots=True)
class Health:
    """An instance with all checks that decide its health: those of the node, then its own."""

    row: ServiceRow
    checks: tuple[CheckRow, ...]

    @property
    def passing(self) -> bool:
        """Whether all checks pass; an instance without checks passes."""
        return all(row.check.status == PASSING for row in self.checks)


class Catalog:
    """Services and checks of one node. Names and ids are compared without case, as in Consul."""

    def __init__(self, node: Node, changes: Changes) -> None:
        self._changes = changes
        index = changes.advance()
        self.node = replace(node, index=index)
        self._services: dict[str, ServiceRow] = {}
        self._checks: dict[str, CheckRow] = {}
        self._services_index = self._checks_index = index
        self._service_indexes: dict[str, int] = {}
        self._last_extinction = 0
        """Index of the write that last removed the last instance of a service."""

    # Writes of the agent

    def register(self, service: Service, checks: Iterable[Check]) -> None:
        """Add or change a service and its checks, in one write."""
        row = self._services.get(service.id.lower())
        checks = _owned(checks, service)
        if row is not None and row.service == service and not checks:
            return
        index = self._changes.advance()
        if row is None or row.service != service:
            created = row.create_index if row else index
            self._services[service.id.lower()] = ServiceRow(service, created, index)
            self._services_index = self._service_indexes[service.name.lower()] = index
        for check in checks:
            self._write(check, index)

    def update_check(self, check: Check) -> None:
        """Add or change one check, of the node or of a service that is registered."""
        if row := self._services.get(check.service_id.lower()):
            (check,) = _owned([check], row.service)
        self._write(check, self._changes.advance())

    def deregister_service(self, service_id: str) -> None:
        """Remove an instance with its checks."""
        row = self._services.pop(service_id.lower(), None)
        if row is None:
            return
        index = self._services_index = self._checks_index = self._changes.advance()
        for check in [c.check for c in self._checks.values() if c.check.service_id == row.service.id]:
            del self._checks[check.id]
        name = row.service.name.lower()
        if self.instances(name).content:
            self._service_indexes[name] = index
        else:
            self._service_indexes.pop(name, None)
            self._last_extinction = index

    def deregister_check(self, check_id: str) -> None:
        """Remove one check."""
        row = self._checks.pop(check_id, None)
        if row is None:
            return
        index = self._changes.advance()
        self._touch(row.check, index)
        if not row.check.service_id:
            self._services_index = index

    def _write(self, check: Check, index: int) -> None:
        """Store a check. An unchanged check also advances the index of the checks, as in Consul."""
        self._checks_index = index
        row = self._checks.get(check.id)
        if row is None or row.check != check:
            self._checks[check.id] = CheckRow(check, row.create_index if row else index, index)
            self._touch(check, index)

    def _touch(self, check: Check, index: int) -> None:
        """Advance the index of the checks, and of every service whose health depends on this check."""
        self._checks_index = index
        row = self._services.get(check.service_id.lower())
        names = [row.service.name.lower()] if row else [] if check.service_id else list(self._service_indexes)
        self._service_indexes.update(dict.fromkeys(names, index))

    # Queries of clients

    def services(self) -> Answer[list[ServiceRow]]:
        """Return every instance of every service, sorted by id."""
        rows = sorted(self._services.values(), key=lambda row: row.service.id.lower())
        return Answer(self._services_index, rows)

    def instances(self, name: str) -> Answer[list[ServiceRow]]:
        """Return the instances of a service, sorted by id.

        A service without instances has no index; its answer has that of the last removal of a service.
        """
        rows = [row for row in self.services().content if row.service.name.lower() == name.lower()]
        if rows:
            return Answer(self._service_indexes[name.lower()], rows)
        youngest = max(self.node.index, self._services_index, self._checks_index)
        return Answer(self._last_extinction or youngest, rows, watches_index=True)

    def health(self, name: str) -> Answer[list[Health]]:
        """Return the instances of a service with their checks, sorted by id."""
        found = self.instances(name)
        node_checks = self._checks_where(service_id="")
        healths = [
            Health(row, (*node_checks, *self._checks_where(service_id=row.service.id)))
            for row in found.content
        ]
        return Answer(found.index, healths, found.watches_index)

    def checks(self, *, service: str | None = None, state: str = ANY_STATE) -> Answer[list[CheckRow]]:
        """Return the checks in a state, of one service, or of all services and the node."""
        rows = [
            row
            for row in self._sorted_checks()
            if (service is None or row.check.service_name.lower() == service.lower())
            and state in (ANY_STATE, row.check.status)
        ]
        return Answer(self._checks_index, rows)

    def node_checks(self, node: str) -> Answer[list[CheckRow]]:
        """Return the checks of a node and of its services."""
        return self.checks() if node.lower() == self.node.name.lower() else Answer(self._checks_index, [])

    def nodes(self) -> Answer[list[Node]]:
        """Return every node."""
        return Answer(self.node.index, [self.node])

    def _sorted_checks(self) -> list[CheckRow]:
        return [self._checks[check_id] for check_id in sorted(self._checks)]

    def _checks_where(self, *, service_id: str) -> list[CheckRow]:
        return [row for row in self._sorted_checks() if row.check.service_id == service_id]


def _owned(checks: Iterable[Check], service: Service) -> list[Check]:
    """Return the checks with the current name and tags of their service, as Consul stores them."""
    return [replace(check, service_name=service.name, service_tags=service.tags) for check in checks]

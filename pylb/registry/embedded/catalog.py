"""The catalog: what the whole cluster knows of nodes, services and checks, and since which write.

Each query's answer carries the index that a blocking query compares. Whose index a write moves is copied
from Consul 1.8: a service's own index moves with its instances, with their checks and with the node's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pylb.registry.embedded.blocking import Answer, Changes
from pylb.registry.embedded.definitions import PASSING, Service

ANY_STATE = "any"


@dataclass(frozen=True, slots=True)
class Check:
    """What is known of the health of a service, or of the node if `service_id` is empty."""

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
    """The machine that the services run on; the embedded registry has just one."""

    id: str
    name: str
    address: str
    datacenter: str
    index: int = 1
    meta: Mapping[str, str] = field(default_factory=lambda: {"consul-network-segment": ""})

    @property
    def tagged_addresses(self) -> dict[str, str]:
        """Its address under each name that Consul gives it."""
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
    """An instance with every check that its health depends on: the node's first, then its own."""

    row: ServiceRow
    checks: tuple[CheckRow, ...]

    @property
    def passing(self) -> bool:
        """Whether no check objects; an instance without checks passes."""
        return all(row.check.status == PASSING for row in self.checks)


class Catalog:
    """Services and checks of one node. Letter case makes no difference in names and ids, as in Consul's."""

    def __init__(self, node: Node, changes: Changes) -> None:
        self._changes = changes
        index = changes.advance()
        self.node = replace(node, index=index)
        self._services: dict[str, ServiceRow] = {}
        self._checks: dict[str, CheckRow] = {}
        self._services_index = self._checks_index = index
        self._service_indexes: dict[str, int] = {}
        self._last_extinction = 0
        """When the last instance of some service last went."""

    # What the node's agent writes

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
        """Store a check. Even one that says nothing new moves the index of the checks, in Consul too."""
        self._checks_index = index
        row = self._checks.get(check.id)
        if row is None or row.check != check:
            self._checks[check.id] = CheckRow(check, row.create_index if row else index, index)
            self._touch(check, index)

    def _touch(self, check: Check, index: int) -> None:
        """Move the index of the checks, and of every service whose health this check tells."""
        self._checks_index = index
        row = self._services.get(check.service_id.lower())
        names = [row.service.name.lower()] if row else [] if check.service_id else list(self._service_indexes)
        self._service_indexes.update(dict.fromkeys(names, index))

    # What clients read

    def services(self) -> Answer[list[ServiceRow]]:
        """Every instance of every service, sorted by id."""
        rows = sorted(self._services.values(), key=lambda row: row.service.id.lower())
        return Answer(self._services_index, rows)

    def instances(self, name: str) -> Answer[list[ServiceRow]]:
        """The instances of a service, sorted by id.

        A missing service has no index of its own: it shares that of the last one that went missing.
        """
        rows = [row for row in self.services().content if row.service.name.lower() == name.lower()]
        if rows:
            return Answer(self._service_indexes[name.lower()], rows)
        youngest = max(self.node.index, self._services_index, self._checks_index)
        return Answer(self._last_extinction or youngest, rows, watches_index=True)

    def health(self, name: str) -> Answer[list[Health]]:
        """The instances of a service with their checks, sorted by id."""
        found = self.instances(name)
        node_checks = self._checks_where(service_id="")
        healths = [
            Health(row, (*node_checks, *self._checks_where(service_id=row.service.id)))
            for row in found.content
        ]
        return Answer(found.index, healths, found.watches_index)

    def checks(self, *, service: str | None = None, state: str = ANY_STATE) -> Answer[list[CheckRow]]:
        """The checks of the service of that name, or of all and of the node, that are in that state."""
        rows = [
            row
            for row in self._sorted_checks()
            if (service is None or row.check.service_name.lower() == service.lower())
            and state in (ANY_STATE, row.check.status)
        ]
        return Answer(self._checks_index, rows)

    def node_checks(self, node: str) -> Answer[list[CheckRow]]:
        """The checks of the node of that name and of what runs on it."""
        return self.checks() if node.lower() == self.node.name.lower() else Answer(self._checks_index, [])

    def nodes(self) -> Answer[list[Node]]:
        """Every node."""
        return Answer(self.node.index, [self.node])

    def _sorted_checks(self) -> list[CheckRow]:
        return [self._checks[check_id] for check_id in sorted(self._checks)]

    def _checks_where(self, *, service_id: str) -> list[CheckRow]:
        return [row for row in self._sorted_checks() if row.check.service_id == service_id]


def _owned(checks: Iterable[Check], service: Service) -> list[Check]:
    """The checks with their service's present name and tags, which Consul copies into them at each write."""
    return [replace(check, service_name=service.name, service_tags=service.tags) for check in checks]

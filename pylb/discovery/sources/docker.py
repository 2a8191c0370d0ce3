"""Yields the containers of a Docker engine as the instances of a service."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain

from pylb.clients.docker import DockerClient
from pylb.clients.inventory import Inventory, InventoryReader, Unread
from pylb.config.sources import Docker
from pylb.containers.container import Container
from pylb.containers.conventions import Metadata, metadata, names, split_tags
from pylb.containers.port import Port, port_number
from pylb.containers.stopping import Stopping
from pylb.discovery.sources.settings import read_settings
from pylb.model import Endpoint, Excluded, Snapshot

log = logging.getLogger("pylb.discovery")

RESYNC = 30.0
"""Seconds without an event after which all containers are read again."""
SERVICE_LABEL, PORT_LABEL, COMPOSE_LABEL = "pylb.service", "pylb.port", "com.docker.compose.service"
TRAEFIK_PORT = re.compile(r"traefik\.http\.services\.[^.]{1,255}\.loadbalancer\.server\.port", re.IGNORECASE)
"""The label of Traefik that has the meaning of `pylb.port`."""
NODE = "docker"
"""The node of every endpoint's key."""
OWN_KEYS = "lb_"
"""The beginning of pylb's own keys."""
LABELS = (OWN_KEYS, "traefik.")
"""The beginnings of labels that may declare a route."""
LOOPBACK = "127.0.0.1"
"""The address of a container in the network of the host."""


class DockerProvider:
    """Yields the containers of one service after each event of any container.

    The service of a container is its label `pylb.service`, else `SERVICE_NAME` or `SERVICE_<port>_NAME` as
    for a registrator, else its name in the Compose file.

    Args:
        settings: the address of the engine.
        service: the service's name.
        tags: only containers with all of these in SERVICE_TAGS.
        network: the network of the addresses; empty for the first one with an address.
        project: only containers of this Compose project; empty for any.
        resync: seconds without an event after which all containers are read again, and between two snapshots
            without a change.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        settings: Docker,
        service: str,
        *,
        tags: Sequence[str] = (),
        network: str = "",
        project: str = "",
        resync: float = RESYNC,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.service = service
        self.tags = frozenset(tags)
        self.network = network
        self.project = project
        self._reader = InventoryReader()
        self._problems: set[str] = set()
        self._resync = resync
        self._clock = clock

    async def watch(self) -> AsyncGenerator[Snapshot, None]:
        """See `Provider.watch`.

        Raises:
            EngineError: the engine does not respond.
        """
        stopping = Stopping()
        async with DockerClient(self.settings) as docker:
            began = self._clock()
            known = await self._read(docker, stopping)
            yield known
            async for events in docker.events(since=began, quiet=self._resync):
                for event in events:
                    stopping.on_event(event.action, event.container, event.signal)
                self._reader.changed(event.container for event in events)
                snapshot = await self._read(docker, stopping)
                due = not events or snapshot.observed - known.observed >= self._resync
                if due or not snapshot.same_content(known):
                    known = snapshot
                    yield known

    async def _read(self, docker: DockerClient, stopping: Stopping) -> Snapshot:
        """Read all containers and select those of the service."""
        inventory = await self._reader.read(docker)
        stopped = stopping.among(inventory.containers)
        endpoints = []
        excluded = [self._unread(each) for each in inventory.unread]
        projects = set()
        for container in inventory.containers:
            if self.project and container.project != self.project:
                continue
            read = read_container(self.service, container, self.network)
            if read is None:
                continue
            endpoint, reason = read
            if not self.tags <= set(endpoint.tags):
                continue
            if not _names_its_service(container):
                projects.add(container.project)
            if container.id in stopped:
                excluded.append(Excluded(replace(endpoint, status="maintenance"), "it is being stopped"))
            elif reason:
                excluded.append(Excluded(endpoint, reason))
            else:
                endpoints.append(endpoint)
        self._report({*self._unreadable(inventory.unread), *self._mixed(projects)})
        return Snapshot(
            self.service, tuple(endpoints), tuple(excluded), observed=self._clock(), cause="docker"
        )

    def _unread(self, container: Unread) -> Excluded:
        """Exclude a container that cannot be read, since it may belong to the service."""
        endpoint = Endpoint(self.service, "", 0, node=NODE, id=container.name, status="critical")
        return Excluded(endpoint, container.problem, cause="invalid")

    def _unreadable(self, containers: Sequence[Unread]) -> Iterator[str]:
        yield from (f"{each.name}: {each.problem}" for each in containers)

    def _mixed(self, projects: Collection[str]) -> Iterator[str]:
        if len(projects) > 1:
            among = ", ".join(sorted(projects))
            yield f"several Compose projects are balanced together: {among}; --project chooses one"

    def _report(self, problems: set[str]) -> None:
        """Log each problem once, for as long as it lasts."""
        for problem in sorted(problems - self._problems):
            log.warning("%s: %s", self.service, problem)
        self._problems = problems


async def service_names(settings: Docker, project: str = "") -> AsyncGenerator[frozenset[str], None]:
    """Yield the names of the services of all containers, after each event of any container.

    Args:
        settings: the address of the engine.
        project: only containers of this Compose project; empty for any.

    Raises:
        EngineError: the engine does not respond.
    """
    reader = InventoryReader()
    async with DockerClient(settings) as docker:
        began = time.time()
        yield _names_in(await reader.read(docker), project)
        async for events in docker.events(since=began, quiet=RESYNC):
            reader.changed(event.container for event in events)
            yield _names_in(await reader.read(docker), project)


def _names_in(inventory: Inventory, project: str) -> frozenset[str]:
    containers = (each for each in inventory.containers if each.running)
    chosen = (each for each in containers if not project or each.project == project)
    return frozenset(chain.from_iterable(map(services_of, chosen)))


def services_of(container: Container) -> frozenset[str]:
    """Return the names of the services of a container; see `DockerProvider`."""
    labels = dict(container.labels)
    if SERVICE_LABEL in labels:
        return frozenset([labels[SERVICE_LABEL]])
    own = (names(container, port) for port in container.ports if port.protocol == "tcp")
    named = frozenset(chain.from_iterable(own))
    if named or _names_its_service(container):
        return named
    return frozenset(filter(None, [labels.get(COMPOSE_LABEL)]))


def _declaring(container: Container, values: Metadata) -> Iterator[tuple[str, str]]:
    """Yield what declares routes and settings: `SERVICE_LB_ROUTE`, and labels such as `lb_route`."""
    yield from ((key, value) for key, value in values.values if key.startswith(OWN_KEYS))
    yield from ((key, value) for key, value in container.labels if key.lower().startswith(LABELS))


def read_container(service: str, container: Container, network: str = "") -> tuple[Endpoint, str] | None:
    """Return a container as an endpoint, with the reason why it receives no requests, if any.

    Args:
        service: the name of the service.
        container: the container.
        network: the network of the addresses; empty for the first one with an address.

    Returns:
        None if the container does not run, or belongs to another service.
    """
    if not container.running:
        return None
    try:
        candidates = ports_of(service, container)
        reason = ""
    except ValueError as error:
        candidates, reason = [], str(error)
    if candidates is None:
        return None
    port = candidates[0] if candidates else Port(0)
    address = LOOPBACK if container.on_host else container.address(network)
    values = metadata(container, port)
    settings = read_settings(dict(values.values), split_tags(values.get("tags")))
    paused = _not_serving(container)
    reason = (
        paused
        or _unhealthy(container)
        or reason
        or settings.unusable
        or _unreachable(candidates, address, network)
    )
    endpoint = Endpoint(
        service=service,
        address=address,
        port=port.number,
        node=NODE,
        id=container.name,
        weight=settings.weight,
        priority=settings.priority,
        zone=settings.zone,
        max_conn=settings.max_conn,
        probe=settings.probe,
        slow_start=settings.slow_start,
        tls=settings.tls,
        tls_name=settings.tls_name,
        protocol=settings.protocol,
        problems=(*settings.problems, *container.problems),
        status="maintenance" if paused else "critical" if reason else "passing",
        tags=split_tags(values.get("tags")),
        created=_created(container),
        meta=(("container", container.short_id), *sorted(dict(_declaring(container, values)).items())),
        has_checks=bool(container.health),
    )
    return endpoint, reason


def _created(container: Container) -> int:
    """Return when a container was created, in milliseconds since the epoch: an age, as Consul's index."""
    try:
        return int(datetime.fromisoformat(container.created).timestamp() * 1000)
    except ValueError:
        return 0


def _not_serving(container: Container) -> str:
    """Return why a container serves no requests whatever its health is; empty if it does."""
    if container.one_off:
        return "docker compose run started it for one command"
    return "it is paused" if container.paused else ""


def _unhealthy(container: Container) -> str:
    if container.health not in {"unhealthy", "starting"}:
        return ""
    return ": ".join(filter(None, (f"Docker reports {container.health}", container.health_output)))


def _unreachable(candidates: Sequence[Port], address: str, network: str) -> str:
    if not address:
        return f"it has no address {f'on the network {network}' if network else 'on any network'}"
    if len(candidates) != 1:
        return f"it exposes {len(candidates)} TCP ports, expected one; name it in the label {PORT_LABEL}"
    return ""


def ports_of(service: str, container: Container) -> list[Port] | None:
    """Return the ports of a container for a service; None if it does not belong to the service.

    Raises:
        ValueError: the label with the port is invalid.
    """
    labels = dict(container.labels)
    exposed = [port for port in container.ports if port.protocol == "tcp"]
    named = [port for port in exposed if service in names(container, port)]
    if named and SERVICE_LABEL not in labels:
        return named
    if (
        labels.get(SERVICE_LABEL, "" if _names_its_service(container) else labels.get(COMPOSE_LABEL))
        != service
    ):
        return None
    of_traefik = filter(TRAEFIK_PORT.fullmatch, labels)
    label = PORT_LABEL if PORT_LABEL in labels else next(of_traefik, "")
    if not label:
        return exposed
    try:
        return [Port(port_number(labels[label]))]
    except ValueError as error:
        raise ValueError(f"label {label}: {error}") from None


def _names_its_service(container: Container) -> bool:
    """Whether the container names its service itself, so that its name in a Compose file is ignored."""
    tcp = (port for port in container.ports if port.protocol == "tcp")
    return SERVICE_LABEL in dict(container.labels) or any(metadata(container, p).get("name") for p in tcp)

"""Endpoints straight from a Docker engine: its containers are the registry."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace

from pylb.clients.docker import DockerClient, EngineSettings
from pylb.containers.container import Container, Port
from pylb.containers.conventions import metadata, service_name, split_tags
from pylb.containers.stopping import Stopping
from pylb.discovery.settings import read_settings
from pylb.model import Endpoint, Excluded, Snapshot

RESYNC = 30.0
"""Seconds without an event after which everything is looked at again all the same."""
SERVICE_LABEL, PORT_LABEL, COMPOSE_LABEL = "pylb.service", "pylb.port", "com.docker.compose.service"
LOOPBACK = "127.0.0.1"
"""Where a container listens that lives in the engine machine's own network."""


class DockerProvider:
    """Yields the containers of one service whenever something has happened to any.

    A container belongs to the service if it says so: by its label `pylb.service`, else by `SERVICE_NAME` or
    `SERVICE_<port>_NAME` as for a registrator, else by its name in the compose file.

    Args:
        settings: where the engine is.
        service: the service's name.
        tags: only containers whose SERVICE_TAGS hold all of these.
        network: the network whose addresses count; the first that gives one, if empty.
        resync: seconds without an event after which it looks again.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        settings: EngineSettings,
        service: str,
        *,
        tags: Sequence[str] = (),
        network: str = "",
        resync: float = RESYNC,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.service = service
        self.tags = frozenset(tags)
        self.network = network
        self._resync = resync
        self._clock = clock

    async def watch(self) -> AsyncGenerator[Snapshot, None]:
        """See `Provider.watch`.

        Raises:
            EngineError: the engine does not answer; nothing is known then.
        """
        stopping = Stopping()
        async with DockerClient(self.settings) as docker:
            began = self._clock()
            known = await self._look(docker, stopping)
            yield known
            async for events in docker.events(since=began, quiet=self._resync):
                for event in events:
                    stopping.heard(event.action, event.container, event.signal)
                snapshot = await self._look(docker, stopping)
                if not events or not snapshot.same_content(known):
                    known = snapshot
                    yield known

    async def _look(self, docker: DockerClient, stopping: Stopping) -> Snapshot:
        endpoints, excluded = [], []
        containers = await docker.containers()
        told_to_stop = stopping.among(containers)
        for container in containers:
            read = read_container(self.service, container, self.network)
            if read is None:
                continue
            endpoint, reason = read
            if not self.tags <= set(endpoint.tags):
                continue
            if container.id in told_to_stop:
                excluded.append(Excluded(replace(endpoint, status="maintenance"), "it was told to stop"))
            elif reason:
                excluded.append(Excluded(endpoint, reason))
            else:
                endpoints.append(endpoint)
        return Snapshot(
            self.service, tuple(endpoints), tuple(excluded), observed=self._clock(), cause="docker"
        )


def read_container(service: str, container: Container, network: str = "") -> tuple[Endpoint, str] | None:
    """Make an endpoint of a container, with the reason why it may get no requests, if any.

    Args:
        service: the service that is looked for.
        container: the container.
        network: the network whose addresses count; the first that gives one, if empty.

    Returns:
        None if it does not run, or belongs to another service.
    """
    candidates = ports_of(service, container)
    if not container.running or candidates is None:
        return None
    reason = ""
    if len(candidates) != 1:
        reason = f"it exposes {len(candidates)} TCP ports, expected one; name it in the label {PORT_LABEL}"
    port = candidates[0] if candidates else Port(0)
    address = LOOPBACK if container.on_host else container.address(network)
    if not address:
        reason = f"it has no address {f'on the network {network}' if network else 'on any network'}"
    said = metadata(container, port)
    settings = read_settings(dict(said.values), split_tags(said.get("tags")))
    if container.health in {"unhealthy", "starting"}:
        reason = f"Docker says {container.health}" + (
            f": {container.health_output}" if container.health_output else ""
        )
    endpoint = Endpoint(
        service=service,
        address=address,
        port=port.number,
        node="docker",
        id=container.name,
        weight=settings.weight,
        max_conn=settings.max_conn,
        probe=settings.probe,
        slow_start=settings.slow_start,
        problems=settings.problems,
        status="critical" if reason else "passing",
        tags=split_tags(said.get("tags")),
        meta=(("container", container.short_id),),
        checked=bool(container.health),
    )
    return endpoint, reason


def ports_of(service: str, container: Container) -> list[Port] | None:
    """The ports at which a container offers a service; None if it does not."""
    labels = dict(container.labels)
    exposed = [port for port in container.ports if port.protocol == "tcp"]
    named = [port for port in exposed if service_name(container, port, explicit=True) == service]
    if named and SERVICE_LABEL not in labels:
        return named
    says = any(metadata(container, port).get("name") for port in exposed)
    if labels.get(SERVICE_LABEL, "" if says else labels.get(COMPOSE_LABEL)) != service:
        return None
    chosen = labels.get(PORT_LABEL, "")
    if chosen.isascii() and chosen.isdigit():
        return [Port(int(chosen))]
    return exposed

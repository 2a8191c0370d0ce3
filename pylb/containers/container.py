"""A container as the engine's inspect call reports it, reduced to the fields that pylb uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pylb.containers.port import Port, read_ports

BRIDGE, INGRESS = "bridge", "ingress"
"""Docker's default network, for containers that name no other, and Swarm's network for published ports, which
carries no traffic between services."""
HOST = "host"
"""Network mode of a container that uses the network of its machine."""
SHORT = 12
"""Characters of an id in the output of Docker's commands."""
PROJECT_LABEL, ONE_OFF_LABEL = "com.docker.compose.project", "com.docker.compose.oneoff"


@dataclass(frozen=True, slots=True)
class Network:
    """A network to which a container is attached, and its address there."""

    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container, at one moment."""

    id: str
    name: str = ""
    image: str = ""
    """As the user named it: `registry.example:5000/shop/web:1.2`."""
    created: str = ""
    """RFC 3339; sorts by age."""
    started: str = ""
    """Time of the last start, RFC 3339."""
    running: bool = True
    """Whether its first process runs; False while Docker waits to restart it."""
    paused: bool = False
    """Whether its processes are frozen; `running` is True meanwhile."""
    exit_code: int = 0
    health: str = ""
    """Status of the HEALTHCHECK: `starting`, `healthy` or `unhealthy`; empty if there is none."""
    health_output: str = ""
    stop_signal: str = "SIGTERM"
    network_mode: str = ""
    networks: tuple[Network, ...] = ()
    """Sorted by name, with the default bridge first and Swarm's ingress last, so that the order is stable."""
    ports: tuple[Port, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    problems: tuple[str, ...] = ()
    """Settings that cannot be used, one sentence each; the other settings are used."""

    @property
    def project(self) -> str:
        """Name of its Compose project; empty if it has none."""
        return dict(self.labels).get(PROJECT_LABEL, "")

    @property
    def one_off(self) -> bool:
        """Whether `docker compose run` started it for one command; it is no instance of its service."""
        return dict(self.labels).get(ONE_OFF_LABEL, "").lower() == "true"

    @property
    def short_id(self) -> str:
        """The id as Docker's commands print it."""
        return self.id[:SHORT]

    @property
    def on_host(self) -> bool:
        """Whether it uses the network of the engine's machine."""
        return self.network_mode == HOST

    @property
    def joined(self) -> str:
        """Id of the container whose network it shares (`network_mode: container:ID`); empty if none."""
        kind, _, target = self.network_mode.partition(":")
        return target if kind == "container" else ""

    def address(self, network: str = "") -> str:
        """Return its address on `network`, or without one the first address; empty if there is none."""
        return next((n.address for n in self.networks if n.address and network in {"", n.name}), "")

    def sharing_network_of(self, other: Container) -> Container:
        """Return a copy with the addresses and published ports of the container whose network it shares."""
        published = {(p.number, p.protocol): p for p in other.ports}
        return replace(
            self,
            networks=other.networks,
            ports=tuple(published.get((p.number, p.protocol), p) for p in self.ports) or other.ports,
        )

    @classmethod
    def from_inspect(cls, data: Mapping[str, Any]) -> Container:
        """Decode the engine's answer to `GET /containers/ID/json`.

        Raises:
            ValueError: a field is missing that the engine always sends.
        """
        try:
            return cls._read(data)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"cannot decode the engine's description of a container: {error!r}") from error

    @classmethod
    def _read(cls, data: Mapping[str, Any]) -> Container:
        config, state = data["Config"], data["State"]
        mode = (data.get("HostConfig") or {}).get("NetworkMode") or ""
        settings = data.get("NetworkSettings") or {}
        health = state.get("Health") or {}
        log = health.get("Log") or [{}]
        status = health.get("Status") or ""
        ports, problems = read_ports(
            config.get("ExposedPorts") or {}, settings.get("Ports") or {}, on_host=mode == HOST
        )
        return cls(
            id=_text(data["Id"]),
            name=_text(data["Name"]).removeprefix("/"),
            image=_text(config.get("Image")),
            created=_text(data.get("Created")),
            started=_text(state.get("StartedAt")),
            running=bool(state.get("Running")) and not state.get("Restarting"),
            paused=bool(state.get("Paused")),
            exit_code=int(state.get("ExitCode") or 0),
            health="" if status == "none" else _text(status),
            health_output=_text(log[-1].get("Output")).strip(),
            stop_signal=_text(config.get("StopSignal")) or "SIGTERM",
            network_mode=_text(mode),
            networks=_networks(settings.get("Networks") or {}),
            ports=ports,
            env=tuple(
                (name, value)
                for name, is_set, value in (_text(each).partition("=") for each in config.get("Env") or ())
                if is_set
            ),
            labels=tuple(sorted((_text(k), _text(v)) for k, v in (config.get("Labels") or {}).items())),
            problems=problems,
        )


def _text(value: Any) -> str:
    """Return a value as text that can be encoded; empty for null."""
    return "" if value is None else str(value).encode(errors="replace").decode()


def _networks(described: Mapping[str, Mapping[str, Any]]) -> tuple[Network, ...]:
    found = [
        Network(_text(name), _text(n.get("IPAddress") or n.get("GlobalIPv6Address")))
        for name, n in described.items()
    ]
    return tuple(sorted(found, key=lambda n: (n.name != BRIDGE, n.name == INGRESS, n.name)))

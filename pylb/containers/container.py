"""A container as the engine's inspect call shows it, reduced to what matters to whoever sends it requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pylb.containers.port import Port, read_ports

BRIDGE, INGRESS = "bridge", "ingress"
"""Docker's default network, which containers are on that name no other; and Swarm's network for published
ports, which carries no traffic between services."""
HOST = "host"
"""The network mode of a container that uses the machine's own network."""
SHORT = 12
"""Characters of an id that Docker shows to people."""
PROJECT_LABEL, ONE_OFF_LABEL = "com.docker.compose.project", "com.docker.compose.oneoff"


@dataclass(frozen=True, slots=True)
class Network:
    """One network that a container is attached to, and its address there."""

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
    """RFC 3339: when it was started last."""
    running: bool = True
    """Whether its first process lives. While Docker waits to restart it, it does not."""
    paused: bool = False
    """Whether its processes are frozen; it counts as running."""
    exit_code: int = 0
    health: str = ""
    """What the image's HEALTHCHECK says: `starting`, `healthy`, `unhealthy`; empty if there is none."""
    health_output: str = ""
    stop_signal: str = "SIGTERM"
    network_mode: str = ""
    networks: tuple[Network, ...] = ()
    """Sorted by name, the default bridge first and Swarm's ingress last: the order never changes."""
    ports: tuple[Port, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    problems: tuple[str, ...] = ()
    """What cannot be used of it, a sentence each; it is left out, the rest counts."""

    @property
    def project(self) -> str:
        """The Compose project that it belongs to; empty if to none."""
        return dict(self.labels).get(PROJECT_LABEL, "")

    @property
    def one_off(self) -> bool:
        """Whether `docker compose run` started it, for one command: it is no instance of its service."""
        return dict(self.labels).get(ONE_OFF_LABEL, "").lower() == "true"

    @property
    def short_id(self) -> str:
        """The id as Docker shows it to people."""
        return self.id[:SHORT]

    @property
    def on_host(self) -> bool:
        """Whether it has no network of its own but the engine machine's."""
        return self.network_mode == HOST

    @property
    def joined(self) -> str:
        """The container whose network it lives in (`network_mode: container:ID`); empty if its own."""
        kind, _, target = self.network_mode.partition(":")
        return target if kind == "container" else ""

    def address(self, network: str = "") -> str:
        """Its address on the named network, else on the first that gives it one; empty if there is none."""
        return next((n.address for n in self.networks if n.address and network in {"", n.name}), "")

    def living_in(self, other: Container) -> Container:
        """It with the addresses and published ports of the one whose network it lives in."""
        published = {(p.number, p.protocol): p for p in other.ports}
        return replace(
            self,
            networks=other.networks,
            ports=tuple(published.get((p.number, p.protocol), p) for p in self.ports) or other.ports,
        )

    @classmethod
    def from_inspect(cls, data: Mapping[str, Any]) -> Container:
        """Read the engine's answer to `GET /containers/ID/json`.

        Raises:
            ValueError: something is missing that the engine always sends.
        """
        try:
            return cls._read(data)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"cannot understand what the engine says of a container: {error!r}") from error

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
    """A value as text that can be encoded; empty for null."""
    return "" if value is None else str(value).encode(errors="replace").decode()


def _networks(described: Mapping[str, Mapping[str, Any]]) -> tuple[Network, ...]:
    found = [
        Network(_text(name), _text(n.get("IPAddress") or n.get("GlobalIPv6Address")))
        for name, n in described.items()
    ]
    return tuple(sorted(found, key=lambda n: (n.name != BRIDGE, n.name == INGRESS, n.name)))

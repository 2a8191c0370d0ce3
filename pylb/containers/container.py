"""A container as the engine's inspect call shows it, reduced to what matters to whoever sends it requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

ANY_ADDRESS = frozenset({"", "0.0.0.0", "::"})
"""What Docker writes where a port is published on all addresses of its machine."""
BRIDGE = "bridge"
"""Docker's default network; containers that name no network are on it alone."""
SHORT = 12
"""Characters of an id that Docker shows to people."""


@dataclass(frozen=True, slots=True, order=True)
class Port:
    """One port that the image or the user exposes."""

    number: int
    """Inside the container."""
    protocol: str = "tcp"
    host_ip: str = ""
    """The engine machine's address that it is published on; empty stands for all."""
    host_port: int = 0
    """The engine machine's port that it is published on; 0: it is not."""


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
    running: bool = True
    """Paused counts as running: its connections wait, they are not refused."""
    exit_code: int = 0
    health: str = ""
    """What the image's HEALTHCHECK says: `starting`, `healthy`, `unhealthy`; empty if there is none."""
    health_output: str = ""
    stop_signal: str = "SIGTERM"
    network_mode: str = ""
    networks: tuple[Network, ...] = ()
    """Sorted by name, the default bridge first: the order never changes between two calls."""
    ports: tuple[Port, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def short_id(self) -> str:
        """The id as Docker shows it to people."""
        return self.id[:SHORT]

    @property
    def on_host(self) -> bool:
        """Whether it has no network of its own but the engine machine's."""
        return self.network_mode == "host"

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
        return cls(
            id=data["Id"],
            name=data["Name"].removeprefix("/"),
            image=config.get("Image") or "",
            created=data.get("Created") or "",
            running=bool(state.get("Running")),
            exit_code=int(state.get("ExitCode") or 0),
            health="" if status == "none" else status,
            health_output=str(log[-1].get("Output") or "").strip(),
            stop_signal=config.get("StopSignal") or "SIGTERM",
            network_mode=mode,
            networks=_networks(settings.get("Networks") or {}),
            ports=_ports(config.get("ExposedPorts") or {}, settings.get("Ports") or {}, mode),
            env=tuple(
                (name, value) for name, is_set, value in map(_split, config.get("Env") or ()) if is_set
            ),
            labels=tuple(sorted((config.get("Labels") or {}).items())),
        )


def _split(variable: str) -> tuple[str, str, str]:
    return variable.partition("=")


def _networks(described: Mapping[str, Mapping[str, Any]]) -> tuple[Network, ...]:
    found = [
        Network(name, n.get("IPAddress") or n.get("GlobalIPv6Address") or "") for name, n in described.items()
    ]
    return tuple(sorted(found, key=lambda n: (n.name != BRIDGE, n.name)))


def _ports(
    exposed: Mapping[str, Any], published: Mapping[str, Sequence[Mapping[str, str]] | None], mode: str
) -> tuple[Port, ...]:
    """All exposed ports with where each is published, of several places the first.

    In the engine machine's own network nothing is published, and an exposed port is the machine's.
    """
    found = {}
    for key in (*exposed, *published):
        number, _, protocol = key.partition("/")
        inside = int(number)
        bindings = published.get(key) or [{"HostIp": "", "HostPort": number if mode == "host" else "0"}]
        address = bindings[0].get("HostIp") or ""
        port = Port(
            number=inside,
            protocol=protocol or "tcp",
            host_ip="" if address in ANY_ADDRESS else address,
            host_port=int(bindings[0].get("HostPort") or 0),
        )
        found[port.number, port.protocol] = port  # the same may be written `8000` and `8000/tcp`
    return tuple(sorted(found.values()))

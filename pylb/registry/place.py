"""Selects the address and port at which a container's port is registered. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from pylb.config.kinds import HOST
from pylb.containers.container import Container
from pylb.containers.port import ALL, MAX_QUOTED, Port, choose_binding


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The options that decide how containers are registered."""

    owner: str
    """Mark of each registration; it does not change during the life of the engine."""
    hostname: str
    """The first part of a service's id."""
    host_address: str = ""
    """Address for ports that are published on all addresses. If empty, Consul uses the address of its
    node."""
    internal: bool = False
    """Register the container's own address and port instead of the published ones."""
    network: str = ""
    """With `internal`: the network whose address is registered."""
    ip: str = ""
    """Address for all registrations; empty: selected for each."""
    ip_label: str = ""
    """Name of the label that contains a container's address."""
    tags: tuple[str, ...] = ()
    """Tags added to those of every service."""
    explicit: bool = False
    """Register only ports that have a name from `SERVICE_NAME`."""
    require_label: bool = False
    """Register only containers with the label SERVICE_REGISTER."""
    keep_failed: bool = False
    """Keep the registration of a container that exited with an error."""
    ttl: float = 0.0
    """Seconds after which a registration without confirmation is critical; 0: never."""


def place(container: Container, port: Port, rules: Rules) -> tuple[str, int]:
    """Select the address and the port. A container's own address is never combined with a published port.

    An empty address means the address of Consul's node. `rules.ip` takes precedence over the label, and the
    label over Docker's data.

    Raises:
        ValueError: clients can reach no address; the message contains the reason.
    """
    given = rules.ip or _labelled(container, rules.ip_label)
    if rules.internal and not container.on_host:
        address = given or container.address(rules.network)
        if not address:
            where = f"on the network {rules.network}" if rules.network else "on any network"
            raise ValueError(f"it has no address {where}")
        return address, port.number
    host = given or rules.host_address
    binding = choose_binding(port.bindings, host)
    if binding is None:
        published = ", ".join(each.address for each in port.bindings)
        raise ValueError(f"port {port.number} is published on {published} only, which {host} does not reach")
    return (host if given or binding.address in ALL else binding.address), binding.port


def _labelled(container: Container, label: str) -> str:
    """Return the address in a label, `10.0.0.1` or `10.0.0.1/24`; empty without the label."""
    text = dict(container.labels).get(label, "").partition("/")[0] if label else ""
    if not text:
        return ""
    try:
        return HOST.parse(text)
    except ValueError:
        raise ValueError(f"label {label}: got {text[:MAX_QUOTED]!r}, expected {HOST.expected}") from None

"""Where a container's port is registered: at which address and port Consul's clients reach it."""

from __future__ import annotations

from dataclasses import dataclass

from pylb.config.kinds import HOST
from pylb.containers.container import Container
from pylb.containers.port import ALL, MAX_QUOTED, Port, choose_binding


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How containers are registered."""

    owner: str
    """Marks what is registered; the same for as long as the engine lives, whoever registers."""
    hostname: str
    """The first part of a service's id."""
    host_address: str = ""
    """Where ports that are published on all addresses can be reached; empty: at the address of Consul's node,
    which Consul itself fills in."""
    internal: bool = False
    """Register the container's own address and port in place of the published ones."""
    network: str = ""
    """With `internal`: the network whose address counts."""
    ip: str = ""
    """Register this address for all."""
    ip_label: str = ""
    """The label that holds a container's address."""
    tags: tuple[str, ...] = ()
    """Added to those of every service."""
    explicit: bool = False
    """Register only what has a name by `SERVICE_NAME`."""
    require_label: bool = False
    """Register only containers with the label SERVICE_REGISTER."""
    keep_failed: bool = False
    """Leave a container registered that ended by its own failure."""
    ttl: float = 0.0
    """Seconds after which a registration that is not confirmed is critical; 0: never."""


def place(container: Container, port: Port, rules: Rules) -> tuple[str, int]:
    """Choose the address and the port; a container's own address never with a published port.

    An empty address is that of Consul's node. `rules.ip` goes before the label, that before what Docker says.

    Raises:
        ValueError: there is none that clients could reach; the message says why.
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
    """The address that a label holds, as `10.0.0.1` or `10.0.0.1/24`; empty without the label."""
    text = dict(container.labels).get(label, "").partition("/")[0] if label else ""
    if not text:
        return ""
    try:
        return HOST.parse(text)
    except ValueError:
        raise ValueError(f"label {label}: got {text[:MAX_QUOTED]!r}, expected {HOST.expected}") from None

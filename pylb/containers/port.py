"""The ports of a container: which it exposes, and where on the engine's machine each is published."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from pylb.config.hosts import check_port

MAX_QUOTED = 40
"""Characters of a bad value that are quoted."""
IPV4, IPV6 = 4, 6
ALL = {"": frozenset({IPV4, IPV6}), "0.0.0.0": frozenset({IPV4}), "::": frozenset({IPV6})}
"""What Docker writes where a port is published on all addresses of its machine: the families it means."""


@dataclass(frozen=True, slots=True, order=True)
class Binding:
    """One place on the engine's machine where a port is published."""

    address: str
    """As Docker writes it; see `ALL`."""
    port: int


@dataclass(frozen=True, slots=True, order=True)
class Port:
    """One port that the image or the user exposes."""

    number: int
    """Inside the container."""
    protocol: str = "tcp"
    bindings: tuple[Binding, ...] = ()
    """Where it is published, in Docker's order; empty: nowhere."""

    @property
    def published(self) -> bool:
        """Whether it can be reached through the engine's machine."""
        return bool(self.bindings)


def port_number(text: str) -> int:
    """Read the number of a port.

    Raises:
        ValueError: it is none; the message quotes it and says what is expected.
    """
    try:
        return check_port(int(text) if re.fullmatch(r"[0-9]{1,5}", text) else 0)
    except ValueError:
        raise ValueError(f"got {text[:MAX_QUOTED]!r}, expected a port from 1 to 65535") from None


def read_ports(
    exposed: Iterable[str], published: Mapping[str, Sequence[Mapping[str, str]] | None], *, on_host: bool
) -> tuple[tuple[Port, ...], tuple[str, ...]]:
    """Read all ports of a container.

    Images that other builders made expose ranges such as `33060-33061/tcp`, or `/tcp`; Docker runs them.

    Args:
        exposed: keys such as `80/tcp`.
        published: where each is published, by the same keys.
        on_host: whether the container uses the machine's own network, where nothing is published and an
            exposed port is the machine's.

    Returns:
        The ports, and a sentence for each that cannot be read and is left out.
    """
    found: dict[tuple[int, str], Port] = {}
    problems: list[str] = []
    for key in dict.fromkeys((*exposed, *published)):
        number, _, protocol = key.partition("/")
        try:
            inside = port_number(number)
            bindings = tuple(_bindings(published.get(key) or ()))
        except ValueError as error:
            problems.append(f"its port {key[:MAX_QUOTED]!r} is left out: {error}")
            continue
        if on_host and not bindings:
            bindings = (Binding("", inside),)
        port = Port(inside, protocol or "tcp", bindings)
        found[port.number, port.protocol] = port  # the same may be written `8000` and `8000/tcp`
    return tuple(sorted(found.values())), tuple(problems)


def _bindings(described: Sequence[Mapping[str, str]]) -> Iterator[Binding]:
    for each in described:
        address, number = each.get("HostIp") or "", each.get("HostPort") or "0"
        if address not in ALL:
            ip_address(address)
        if number != "0":
            yield Binding(address, port_number(number))


def choose_binding(bindings: Sequence[Binding], host: str) -> Binding | None:
    """Choose the place where clients on other machines reach a published port.

    A place on all addresses, or exactly on `host`, goes before one on another address, and loopback comes
    last. A place on all addresses of the other family cannot be reached at `host`.

    Args:
        bindings: where the port is published.
        host: the machine's address. A name, or nothing, may have addresses of both families, IPv4 first.
    """
    wanted = families(host)

    def rank(binding: Binding) -> int:
        if binding.address in ALL:
            return 0 if IPV4 in ALL[binding.address] & wanted else 1
        if ip_address(binding.address).is_loopback:
            return 3
        return 0 if binding.address == host else 2

    reachable = [each for each in bindings if ALL.get(each.address, wanted) & wanted]
    return min(reachable, key=rank, default=None)


def families(host: str) -> frozenset[int]:
    """The families of IP addresses that a host may have."""
    try:
        return frozenset({ip_address(host).version})
    except ValueError:
        return frozenset({IPV4, IPV6})

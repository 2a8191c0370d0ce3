"""The ports of a container: the exposed ports, and the addresses at which each is published."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from pylb.config.hosts import check_port

MAX_QUOTED = 40
"""Characters of a rejected value that an error message quotes."""
IPV4, IPV6 = 4, 6
ALL = {"": frozenset({IPV4, IPV6}), "0.0.0.0": frozenset({IPV4}), "::": frozenset({IPV6})}
"""Docker's notations for "all addresses of the machine", with the address families that each covers."""


@dataclass(frozen=True, slots=True, order=True)
class Binding:
    """An address and port of the engine's machine at which a container's port is published."""

    address: str
    """In Docker's notation; see `ALL`."""
    port: int


@dataclass(frozen=True, slots=True, order=True)
class Port:
    """One port that the image or the user exposes."""

    number: int
    """Inside the container."""
    protocol: str = "tcp"
    bindings: tuple[Binding, ...] = ()
    """In Docker's order; empty if the port is not published."""

    @property
    def published(self) -> bool:
        """Whether it is reachable through the engine's machine."""
        return bool(self.bindings)


def port_number(text: str) -> int:
    """Parse a port number.

    Raises:
        ValueError: the text is not a port number; the message quotes it and names the expected form.
    """
    try:
        return check_port(int(text) if re.fullmatch(r"[0-9]{1,5}", text) else 0)
    except ValueError:
        raise ValueError(f"got {text[:MAX_QUOTED]!r}, expected a port from 1 to 65535") from None


def read_ports(
    exposed: Iterable[str], published: Mapping[str, Sequence[Mapping[str, str]] | None], *, on_host: bool
) -> tuple[tuple[Port, ...], tuple[str, ...]]:
    """Parse all ports of a container.

    Images of some builders expose ranges such as `33060-33061/tcp`, or `/tcp`; Docker accepts them.

    Args:
        exposed: keys such as `80/tcp`.
        published: the bindings of each, by the same keys.
        on_host: whether the container uses the network of its machine, where nothing is published and an
            exposed port is a port of the machine.

    Returns:
        The ports, and a sentence for each that cannot be parsed and is skipped.
    """
    found: dict[tuple[int, str], Port] = {}
    problems: list[str] = []
    for key in dict.fromkeys((*exposed, *published)):
        number, _, protocol = key.partition("/")
        try:
            inside = port_number(number)
            bindings = tuple(_bindings(published.get(key) or ()))
        except ValueError as error:
            problems.append(f"its port {key[:MAX_QUOTED]!r} is skipped: {error}")
            continue
        if on_host and not bindings:
            bindings = (Binding("", inside),)
        port = Port(inside, protocol or "tcp", bindings)
        found[port.number, port.protocol] = port  # one port may be listed as `8000` and as `8000/tcp`
    return tuple(sorted(found.values())), tuple(problems)


def _bindings(described: Sequence[Mapping[str, str]]) -> Iterator[Binding]:
    for each in described:
        address, number = each.get("HostIp") or "", each.get("HostPort") or "0"
        if address not in ALL:
            ip_address(address)
        if number != "0":
            yield Binding(address, port_number(number))


def choose_binding(bindings: Sequence[Binding], host: str) -> Binding | None:
    """Select the binding at which clients on other machines reach a published port; None if there is none.

    A binding on all addresses, or on `host`, takes precedence over one on another address; loopback is the
    last choice. A binding on all addresses of the other family is not reachable at `host`.

    Args:
        bindings: the bindings of the port.
        host: the address of the machine. A name, or an empty text, can have addresses of both families, IPv4
            first.
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
    """Return the address families that a host can have."""
    try:
        return frozenset({ip_address(host).version})
    except ValueError:
        return frozenset({IPV4, IPV6})

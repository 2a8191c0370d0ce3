"""Sets of IP networks: the proxies in front of pylb whose forwarding fields are trusted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

UNIX = "unix"
"""Denotes peers on a Unix socket, which have no address (as nginx's `set_real_ip_from unix:`)."""


class Networks:
    """A set of IP networks, optionally including peers on Unix sockets.

    Args:
        networks: CIDRs, single addresses, or `unix`.

    Raises:
        ValueError: an item is none of these.
    """

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks: list[IPv4Network | IPv6Network] = [_network(n) for n in networks if n != UNIX]
        self._unix = UNIX in networks
        # Each connection looks up its peer, and trusted peers are few.
        self._contains = lru_cache(maxsize=4096)(self._look_up)

    def __bool__(self) -> bool:
        return self._unix or bool(self._networks)

    def __contains__(self, address: str) -> bool:
        """Whether an address is in one of the networks.

        Args:
            address: in canonical form; empty for a peer on a Unix socket.
        """
        return bool(self) and self._contains(address)

    def _look_up(self, address: str) -> bool:
        if not address:
            return self._unix
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        return any(ip in network for network in self._networks)


def _network(text: str) -> IPv4Network | IPv6Network:
    """Parse a network. IPv4-mapped networks become IPv4 networks, as such addresses do (`http1.address`)."""
    network = ip_network(text)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    return ip_network((mapped, network.prefixlen - 96)) if mapped and network.prefixlen >= 96 else network

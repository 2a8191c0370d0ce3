"""Which addresses belong to a set of networks: the peers that are trusted to say where a client is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

UNIX = "unix"
"""Stands for peers on a Unix socket, which have no address (as nginx's `set_real_ip_from unix:`)."""


class Networks:
    """A set of IP networks, and perhaps the peers on Unix sockets.

    Args:
        networks: CIDRs or single addresses, or `unix`.

    Raises:
        ValueError: one is none of these.
    """

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks: list[IPv4Network | IPv6Network] = [_network(n) for n in networks if n != UNIX]
        self._unix = UNIX in networks
        # A peer is looked up for each of its connections, and there are few peers that are worth trusting.
        self._contains = lru_cache(maxsize=4096)(self._look_up)

    def __bool__(self) -> bool:
        return self._unix or bool(self._networks)

    def __contains__(self, address: str) -> bool:
        """Whether an address lies in one of the networks.

        Args:
            address: in its canonical spelling; empty for a peer on a Unix socket.
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
    """A network; one of IPv4-mapped addresses is one of IPv4, as those addresses are (`http1.address`)."""
    network = ip_network(text)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    return ip_network((mapped, network.prefixlen - 96)) if mapped and network.prefixlen >= 96 else network

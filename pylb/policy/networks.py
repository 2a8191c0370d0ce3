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
        self._networks: list[IPv4Network | IPv6Network] = [ip_network(n) for n in networks if n != UNIX]
        self._unix = UNIX in networks
        # A peer is looked up for each of its connections, and there are few peers that are worth trusting.
        self._contains = lru_cache(maxsize=4096)(self._look_up)

    def __bool__(self) -> bool:
        return self._unix or bool(self._networks)

    def __contains__(self, address: str) -> bool:
        """Whether an address lies in one of the networks; the empty one is that of a Unix socket's peer."""
        return bool(self) and self._contains(address)

    def client(self, peer: str, chain: bytes) -> str:
        """The client's address: the last in the chain that no trusted peer has.

        What stands before it was said by somebody who is not trusted, and may be a lie.

        Args:
            peer: who is connected.
            chain: the X-Forwarded-For of its request.
        """
        address = peer
        for hop in reversed(chain.decode("latin-1").split(",")):
            if address not in self:
                break
            said = hop.strip()
            try:
                address = str(ip_address(said))
            except ValueError:
                break
        return address

    def _look_up(self, address: str) -> bool:
        if not address:
            return self._unix
        try:
            ip = ip_address(address.split("%", 1)[0])
        except ValueError:
            return False
        ip = getattr(ip, "ipv4_mapped", None) or ip  # An IPv4 address is one however the socket shows it.
        return any(ip in network for network in self._networks)

"""How much one client, and all of them together, may take of this process.

A client is an IPv4 address, or an IPv6 network of 64 bits, of which anybody can have all addresses. What is
kept about clients is bounded, whatever their number. A limit of 0 is none, and costs nothing.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_network

from pylb.errors import Fault, Phase, ProxyError

REMEMBERED = 65_536
"""Clients whose rate is remembered: about 10 MB. Who is forgotten may start afresh."""


class Connections:
    """Counts connections and refuses those above the limits.

    Args:
        total: connections of all clients together.
        per_client: connections of each; peers that are trusted speak for many, and are not counted.
    """

    def __init__(self, total: int = 0, per_client: int = 0) -> None:
        self._total = total or float("inf")
        self._per_client = per_client
        self._open: dict[str, int] = {}

    def enter(self, address: str, others: int, *, trusted: bool) -> str:
        """Take up a connection.

        Args:
            address: where it comes from; empty on a Unix socket.
            others: connections that are open already.
            trusted: whether it is a trusted peer's.

        Returns:
            what to give to `leave` at its end.

        Raises:
            ProxyError: 503, there are too many.
        """
        if others >= self._total:
            raise ProxyError(Phase.REQUEST, Fault.RESOURCE, f"more than {self._total} connections")
        if not self._per_client or trusted or not address:
            return ""
        client = client_of(address)
        count = self._open.get(client, 0)
        if count >= self._per_client:
            raise ProxyError(
                Phase.REQUEST, Fault.RESOURCE, f"more than {self._per_client} connections from {client}"
            )
        self._open[client] = count + 1
        return client

    def leave(self, client: str) -> None:
        """A connection has ended."""
        if client:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]


class Rate:
    """Lets each client have so many requests per second, and as many at once as it may have in one.

    One number per client says when its next request is due (the generic cell rate algorithm).

    Args:
        per_second: requests.
    """

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._interval = 1 / per_second
        self._ahead = 1.0 - self._interval
        self._due: dict[str, float] = {}

    def count(self, address: str, now: float) -> None:
        """Take up a request.

        Raises:
            ProxyError: 429, the client has had its share.
        """
        client = client_of(address)
        due = max(self._due.pop(client, 0.0), now)  # Taken out and put in again: the oldest stand first.
        late = due > now + self._ahead + 1e-9
        self._due[client] = due if late else due + self._interval
        if len(self._due) > REMEMBERED:
            del self._due[next(iter(self._due))]
        if late:
            raise ProxyError(
                Phase.REQUEST,
                Fault.POLICY,
                f"more than {self._per_second} requests per second from one client",
                status=429,
            )


@lru_cache(maxsize=4096)
def client_of(address: str) -> str:
    """The address, or the network that it stands for."""
    if ":" not in address:
        return address
    return str(ip_network((address, 64), strict=False))

"""Limits on connections and requests of one client, and on connections of all clients together.

A client is an IPv4 address or an IPv6 network of 64 bits, because one host can use all addresses of such a
network. The memory that clients need here is bounded, regardless of their number. A limit of 0 means no
limit, and costs nothing.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_network

from pylb.errors import Fault, Phase, ProxyError

REMEMBERED = 65_536
"""Clients whose rate is stored: about 10 MB. The oldest one beyond this number is dropped and
starts again."""


class Connections:
    """Counts connections and rejects those above the limits.

    Args:
        total: connections of all clients together; 0 for no limit.
        per_client: connections of each client; 0 for no limit. Trusted peers forward the requests of many
            clients and are not limited.
    """

    def __init__(self, total: int = 0, per_client: int = 0) -> None:
        self._total = total or float("inf")
        self._per_client = per_client
        self._open: dict[str, int] = {}

    def enter(self, address: str, others: int, *, trusted: bool) -> str:
        """Count a new connection.

        Args:
            address: of the peer; empty on a Unix socket.
            others: connections that are open already.
            trusted: whether the peer is a trusted proxy.

        Returns:
            The argument for `leave` when the connection ends.

        Raises:
            ProxyError: 503, a limit is reached.
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
        """Count the end of a connection."""
        if client:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]


class Rate:
    """Limits each client to a number of requests per second, with a burst of the same number.

    One number per client, the time at which its next request is due, suffices (generic cell rate algorithm).

    Args:
        per_second: requests per second and client.
    """

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._interval = 1 / per_second
        self._ahead = 1.0 - self._interval
        self._due: dict[str, float] = {}

    def count(self, address: str, now: float) -> None:
        """Count a request.

        Args:
            address: of the client.
            now: monotonic seconds.

        Raises:
            ProxyError: 429, the client exceeds its rate.
        """
        client = client_of(address)
        due = max(
            self._due.pop(client, 0.0), now
        )  # Removed and inserted again: the dict stays sorted by age.
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
    """Return an IPv4 address as it is, and an IPv6 address as its network of 64 bits."""
    if ":" not in address:
        return address
    return str(ip_network((address, 64), strict=False))

"""The clients of one worker: which connections are admitted, whose requests they carry, and their ids.

`Clients` has no sockets and no timer. It identifies a connection by the facts about its client, `ClientInfo`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, count
from typing import cast

from pylb.http1.headers import ClientInfo
from pylb.http1.parser import Request
from pylb.http1.trace import Tracing
from pylb.observe.record import Record
from pylb.policy.admission import Connections, Rate
from pylb.policy.networks import Networks

LAST_DIGITS = tuple(b"%02x" % number for number in range(256))
"""The last two digits of request ids."""

CLIENT_INFOS = 1024
"""Client addresses whose `ClientInfo` is cached: less than 1 MB."""


@dataclass(frozen=True, slots=True)
class ClientRules:
    """Which clients are trusted, the limits of their connections, and the fields pylb adds about them."""

    trusted: Networks = field(default_factory=lambda: Networks(()))
    """Peers whose forwarding fields and preambles count."""
    admission: Connections = field(default_factory=Connections)
    """Limits the number of connections, in all and per client."""
    hsts: int = 0
    """`max-age` of Strict-Transport-Security on TLS responses, in seconds; 0 sends no such field."""
    client_info: Callable[..., ClientInfo] = ClientInfo
    """Builds the facts about a client: `ClientInfo`, or `ForwardedClientInfo` for RFC 7239."""
    tracing: Tracing | None = None
    """Assigns requests to traces; None passes trace fields on unchanged."""


class Clients:
    """Admits client connections, and identifies the client of each request.

    Args:
        rules: which clients are trusted, and what is recorded of them.
        rate: requests per second that one client may send; 0 for no limit.
    """

    def __init__(self, rules: ClientRules, rate: int) -> None:
        self._rules = rules
        self._infos = lru_cache(maxsize=CLIENT_INFOS)(self._make_info)
        """A cache, for clients that open a connection for each request."""
        self._rate = Rate(rate) if rate else None
        self._untraced = self._within_rate if rate else self._identify
        self.identify: Callable[[Record, ClientInfo], None] = (
            self._traced if rules.tracing else self._untraced
        )
        """Determines the client of a request and the request id; raises ProxyError above the rate limit."""
        self.leave = rules.admission.leave
        """Counts the end of a connection, given what `enter` returned."""
        self._ids = _ids(os.urandom(8).hex().encode())

    def info(
        self, address: str, scheme: str, certificate: bytes, *, believed: bool, version: int = 1
    ) -> ClientInfo:
        """Return the facts about a client connection that backends receive in fields.

        Args:
            address: the peer's address, or the one in a PROXY protocol preamble.
            scheme: `http` or `https`.
            certificate: field lines about the client's certificate.
            believed: whether X-Forwarded fields count, if the address is that of a trusted proxy.
            version: the major version of HTTP on the connection.
        """
        return self._infos(address, scheme, certificate, believed, version)

    def enter(self, client: ClientInfo, others: int) -> str:
        """Count a new connection; return the argument for `leave`.

        Args:
            client: the facts about its client.
            others: the number of other open connections.

        Raises:
            ProxyError: the connection exceeds a limit.
        """
        return self._rules.admission.enter(client.address, others, trusted=client.trusted)

    def _make_info(
        self,
        address: str,
        scheme: str,
        certificate: bytes,
        believed: bool,  # noqa: FBT001
        version: int,
    ) -> ClientInfo:
        proxies = self._rules.trusted if believed else ()
        return self._rules.client_info(
            address, scheme, proxies=proxies, certificate=certificate, version=version
        )

    def _traced(self, record: Record, client: ClientInfo) -> None:
        cast(Tracing, self._rules.tracing).begin(cast(Request, record.request))
        self._untraced(record, client)

    def _within_rate(self, record: Record, client: ClientInfo) -> None:
        self._identify(record, client)
        cast(Rate, self._rate).count(record.client, record.started)

    def _identify(self, record: Record, client: ClientInfo) -> None:
        # A trusted peer may set the request id.
        if client.trusted:
            request = cast(Request, record.request)
            record.client = client.identify(request).client
            record.id = client.request_id(request)
        if not record.id:
            record.id = next(self._ids)


def _ids(prefix: bytes) -> Iterator[bytes]:
    """Yield request ids, unique in this process, and elsewhere with a random prefix of 64 bits.

    The last two digits are formatted once, in advance.
    """
    blocks = (b"%b%06x" % (prefix, number) for number in count())
    return chain.from_iterable(map(block.__add__, LAST_DIGITS) for block in blocks)

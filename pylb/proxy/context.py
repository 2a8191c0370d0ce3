"""What the requests of one worker share: routes, services, and the rules and caches of client connections.

A `Context` has no sockets, no timer and no coroutine. The server makes one and changes it while it drains;
client connections and `forward` read it. It may not import the server, a client connection or a handler.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from time import monotonic

from pylb.config.backends import Timeouts
from pylb.config.clients import Http2, Limits
from pylb.errors import ProxyError
from pylb.http1.head_cache import HeadCache, ResponseReader
from pylb.http1.headers import ClientInfo
from pylb.http1.writer import hsts_fields
from pylb.observe.record import Record
from pylb.proxy.batch import WriteBatch
from pylb.proxy.clients import ClientRules, Clients
from pylb.proxy.service import Service
from pylb.proxy.tls.certificates import Certificates
from pylb.proxy.waiter import Drainable, Timed, Waiter
from pylb.routes.table import RouteTable


class Context:
    """What the requests of one worker share.

    Args:
        timeouts: the time limits for clients, in seconds.
        limits: how large a head and a target may be, and how many requests a client may send.
        clients: which clients are trusted, and the limits of each.
        http2: whether connections may use HTTP/2, and the limits of those that do.
        observe: called once per request, at its end.
    """

    linger = 30.0
    """Seconds that a client may continue to send after its last response (nginx: `lingering_time`)."""
    linger_silence = 5.0
    """Seconds that it may be silent meanwhile (nginx: `lingering_timeout`)."""

    def __init__(
        self,
        *,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        clients: ClientRules | None = None,
        http2: Http2 | None = None,
        observe: Callable[[Record], None] = lambda _: None,
    ) -> None:
        self.routes: RouteTable[Service] = RouteTable()
        """Maps a request to a service. A change of the routes replaces it."""
        self.services: dict[str, Service] = {}
        """The services by name, with the settings of the service itself."""
        self.timeouts = timeouts or Timeouts()
        self.limits = limits or Limits()
        self.http2 = http2 or Http2()
        self.client_rules = clients or ClientRules()
        self.clients = Clients(self.client_rules, self.limits.max_client_rate)
        self.identify = self.clients.identify
        self.head_cache = HeadCache()
        """Parses repeated fields of clients once, across connections."""
        self.batch = WriteBatch(observe)
        self.observe = self.batch.observe
        self.responses = ResponseReader(self.limits)
        """Parses the heads of the responses of all backends."""
        self.connections: set[Drainable] = set()
        """All open client connections."""
        self.streams: set[Waiter] = set()
        """The requests that are streams of a connection with HTTP/2. Others are their connection."""
        self.sessions: set[Timed] = set()
        """The connections with HTTP/2, which count time themselves."""
        self.flushing: set[Waiter] = set()
        """Clients that wait until the kernel has accepted all written bytes. Each sweep wakes them."""
        self.draining = False
        self.certificates: Certificates | None = None
        """The certificates of the TLS listeners; None if there are none."""
        hsts = self.client_rules.hsts
        self.tls_fields = hsts_fields(hsts) if hsts else None
        """Returns the field lines that each response on a TLS connection receives; None for none."""
        self.last_but_one = self.limits.max_requests - 1
        """Responses after which a connection may carry one more request; negative for no limit."""
        self.quota = self.limits.min_body_rate * self.timeouts.body_timeout
        """Bytes that a client must read of its last response before its timeout restarts."""
        self.date = b""
        """The value of `Date` in responses (RFC 9110 section 5.6.7), updated by each sweep."""

    def client_info(
        self, address: str, tls: ssl.SSLObject | None, *, believed: bool, version: int = 1
    ) -> ClientInfo:
        """Return the facts about a client connection that backends receive in fields.

        Args:
            address: the peer's address, or the one in a PROXY protocol preamble.
            tls: the connection's TLS object; None without TLS.
            believed: whether X-Forwarded fields count, if the address is that of a trusted proxy.
            version: the major version of HTTP on the connection.
        """
        if tls is None:
            return self.clients.info(address, "http", b"", believed=believed, version=version)
        about_client = self.certificates.about_client(tls) if self.certificates else b""
        return self.clients.info(address, "https", about_client, believed=believed, version=version)

    def rejected(self, address: str, error: ProxyError) -> None:
        """Report a connection that was refused before it carried a request, and without a response.

        Args:
            address: the client's.
            error: the reason.
        """
        record = Record(address, monotonic())
        record.ended(error)
        self.observe(record)

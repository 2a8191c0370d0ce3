"""What the requests of one worker share: routes, pools, rules, timeouts, limits and caches.

A `Context` has no sockets, no timer and no coroutine. The server makes one and changes it while it drains;
client connections and `forward` read it. It may not import the server, a client connection or a handler.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import chain, count
from time import monotonic
from typing import cast

from pylb.config.backends import BackendConnections, Retries, Timeouts
from pylb.config.clients import Limits
from pylb.errors import ProxyError
from pylb.http1.head_cache import HeadCache, ResponseReader
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import Request
from pylb.http1.trace import Tracing
from pylb.http1.writer import hsts_fields
from pylb.observe.record import Record
from pylb.policy.admission import Connections, Rate
from pylb.policy.networks import Networks
from pylb.policy.pool import Pool
from pylb.policy.retry import RetryRules
from pylb.policy.route import Routes
from pylb.proxy.addresses import ConnectionAddresses
from pylb.proxy.batch import WriteBatch
from pylb.proxy.names import Names
from pylb.proxy.tls import Certificates
from pylb.proxy.upstreamtls import UpstreamTls
from pylb.proxy.waiter import Drainable, Waiter

LAST_DIGITS = tuple(b"%02x" % number for number in range(256))
"""The last two digits of request ids."""

CLIENT_INFOS = 1024
"""Client addresses whose `ClientInfo` is cached: less than 1 MB."""


class Context:
    """What the requests of one worker share.

    Args:
        routes: map a request to a pool.
        pools: the pool of each service.
        timeouts: how long to wait for what, in seconds.
        limits: how large a head, a target and a body may be, and how many requests a client may send.
        retries: which requests may be attempted again.
        observe: called once per request, at its end.
        trusted: peers whose forwarding fields and preambles count.
        admission: limits the number of connections, in all and per client.
        redirect_port: the port to which clients without TLS are redirected; 0 to serve them.
        hsts: `max-age` of Strict-Transport-Security on TLS responses, in seconds; 0 sends no such field.
        upstream_tls: which backends use TLS; by default those whose endpoint asks for it.
        preamble: writes the PROXY protocol preamble for backends; None sends none.
        tracing: assigns requests to traces; None passes trace fields on unchanged.
        explain_to: peers that may ask for the debug header.
        client_info: builds the client facts of a connection: `ClientInfo`, or `ForwardedClientInfo` for RFC
        7239.
    """

    linger = 30.0
    """Seconds that a client may continue to send after its last response (nginx: `lingering_time`)."""
    linger_silence = 5.0
    """Seconds that it may be silent meanwhile (nginx: `lingering_timeout`)."""

    def __init__(
        self,
        routes: Routes,
        pools: Mapping[str, Pool],
        *,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        retries: Retries | None = None,
        observe: Callable[[Record], None] = lambda _: None,
        trusted: Networks | None = None,
        admission: Connections | None = None,
        redirect_port: int = 0,
        hsts: int = 0,
        upstream_tls: UpstreamTls | None = None,
        preamble: Callable[[ConnectionAddresses], bytes] | None = None,
        tracing: Tracing | None = None,
        explain_to: Networks | None = None,
        client_info: Callable[..., ClientInfo] = ClientInfo,
    ) -> None:
        self.routes = routes
        self.pools = pools
        self.timeouts = timeouts or Timeouts()
        self.limits = limits or Limits()
        self.head_cache = HeadCache()
        """Parses repeated fields of clients once, across connections."""
        self.responses = ResponseReader(self.limits)
        """Parses the heads of the responses of all backends."""
        self.retry = RetryRules(retries or Retries())
        self.connections: set[Drainable] = set()
        """All open client connections."""
        self.flushing: set[Waiter] = set()
        """Clients that wait until the kernel has accepted all written bytes. Each sweep wakes them."""
        self.batch = WriteBatch(observe)
        self.draining = False
        self.observe = self.batch.observe
        self.trusted = trusted or Networks(())
        self.explain_to = explain_to or Networks(())
        """Peers that may ask for the debug header."""
        self._new_client_info = client_info
        self._client_infos = lru_cache(maxsize=CLIENT_INFOS)(self._make_client_info)
        """A cache, for clients that open a connection for each request."""
        self.upstream_tls = upstream_tls or UpstreamTls(BackendConnections())
        self.preamble = preamble
        """Writes the PROXY protocol preamble for backends; None sends none."""
        self.keeps_upstreams = preamble is None and self.timeouts.upstream_keepalive > 0
        """Whether a backend connection may carry requests of several clients."""
        self.names = Names()
        """Resolves the names of backends that are registered by name."""
        self.certificates: Certificates | None = None
        """The certificates of the TLS listeners; None if there are none."""
        self.redirect_port = redirect_port
        """The port to which clients without TLS are redirected; 0 to serve them."""
        self.tls_fields = hsts_fields(hsts) if hsts else None
        """Returns the field lines that each response on a TLS connection receives; None for none."""
        self._admission = admission or Connections()
        self.leave = self._admission.leave
        self.last_but_one = self.limits.max_requests - 1
        """Responses after which a connection may carry one more request; negative for no limit."""
        self.quota = self.limits.min_body_rate * self.timeouts.body_timeout
        """Bytes of a body that a client must send or read before its timeout restarts."""
        self._rate = Rate(self.limits.max_client_rate) if self.limits.max_client_rate else None
        self._tracing = tracing
        self._untraced = self._within_rate if self._rate else self._identify
        self.identify: Callable[[Record, ClientInfo], None] = self._traced if tracing else self._untraced
        """Determines the client of a request and the request id; raises ProxyError above the rate limit."""
        self.date = b""
        """The value of `Date` in responses (RFC 9110 section 5.6.7), updated by each sweep."""
        self._ids = _ids(os.urandom(8).hex().encode())

    def client_info(self, address: str, tls: ssl.SSLObject | None, *, believed: bool) -> ClientInfo:
        """Return the facts about a client connection that backends receive in fields.

        Args:
            address: the peer's address, or the one in a PROXY protocol preamble.
            tls: the connection's TLS object; None without TLS.
            believed: whether X-Forwarded fields count, if the address is that of a trusted proxy.
        """
        if tls is None:
            return self._client_infos(address, "http", b"", believed)
        about_client = self.certificates.about_client(tls) if self.certificates else b""
        return self._client_infos(address, "https", about_client, believed)

    def _make_client_info(
        self,
        address: str,
        scheme: str,
        certificate: bytes,
        believed: bool,  # noqa: FBT001
    ) -> ClientInfo:
        proxies = self.trusted if believed else ()
        return self._new_client_info(address, scheme, proxies=proxies, certificate=certificate)

    def enter(self, client: ClientInfo) -> str:
        """Count a new connection; return the argument for `leave`.

        Raises:
            ProxyError: the connection exceeds a limit.
        """
        others = len(self.connections) - 1
        return self._admission.enter(client.address, others, trusted=client.trusted)

    def _traced(self, record: Record, client: ClientInfo) -> None:
        cast(Tracing, self._tracing).begin(cast(Request, record.request))
        self._untraced(record, client)

    def refused(self, address: str, error: ProxyError) -> None:
        """Report a connection that was refused before it carried a request, and without a response.

        Args:
            address: the client's.
            error: the reason.
        """
        record = Record(address, monotonic())
        record.ended(error)
        self.observe(record)

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

"""What the requests of one worker share: routes, pools, rules, timeouts, limits and caches.

A `Context` has no sockets, no timer and no coroutine. The server makes one and changes it while it drains;
client connections and `forward` read it. It may not import the server, a client connection or a handler.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, count
from time import monotonic
from typing import cast

from pylb.errors import ProxyError
from pylb.http1.head_cache import HeadCache, ResponseReader
from pylb.http1.headers import ClientInfo
from pylb.http1.limits import Limits
from pylb.http1.parser import Request
from pylb.http1.trace import Tracing
from pylb.http1.writer import response_head, with_hsts
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

ORIGINS = 1024
"""Client addresses whose `ClientInfo` is cached: less than 1 MB."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait for what, in seconds."""

    connect: float = 2.0
    response: float = 60.0
    body: float = 60.0
    head: float = 10.0
    keepalive: float = 75.0
    upstream_keepalive: float = 4.0
    tunnel: float = 3600.0
    body_rate: float = 0.0
    """Bytes per second that a client must send or take of a body, over the time that it may stand still."""
    linger: float = 30.0
    """For how long a client may go on sending after its last answer (nginx: `lingering_time`)."""
    linger_silence: float = 5.0
    """For how long it may be silent meanwhile (nginx: `lingering_timeout`)."""


class Context:
    """What the requests of one worker share.

    Args:
        routes: map a request to a pool.
        pools: the pool of each service.
        timeouts: how long to wait for what, in seconds.
        limits: how large a head, a target and a body may be.
        retry: which requests may be attempted again.
        observe: called once per request, at its end.
        trusted: peers whose forwarding fields and preambles count.
        admission: limits the number of connections, in all and per client.
        requests: requests that a connection may carry; 0 for no limit.
        rate: requests per second that one client may send; 0 for no limit.
        redirect_port: the port to which clients without TLS are redirected; 0 to serve them.
        hsts: `max-age` of Strict-Transport-Security on TLS responses, in seconds; 0 sends no such field.
        upstream_tls: which backends use TLS; by default those whose endpoint asks for it.
        preamble: writes the PROXY protocol preamble for backends; None sends none.
        tracing: assigns requests to traces; None passes trace fields on unchanged.
        explain_to: peers that may ask for the debug header.
        origin: builds the client facts of a connection: `ClientInfo`, or `ForwardedClientInfo` for RFC 7239.
    """

    def __init__(
        self,
        routes: Routes,
        pools: Mapping[str, Pool],
        *,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        retry: RetryRules | None = None,
        observe: Callable[[Record], None] = lambda _: None,
        trusted: Networks | None = None,
        admission: Connections | None = None,
        requests: int = 0,
        rate: int = 0,
        redirect_port: int = 0,
        hsts: int = 0,
        upstream_tls: UpstreamTls | None = None,
        preamble: Callable[[ConnectionAddresses], bytes] | None = None,
        tracing: Tracing | None = None,
        explain_to: Networks | None = None,
        origin: Callable[..., ClientInfo] = ClientInfo,
    ) -> None:
        self.routes = routes
        self.pools = pools
        self.timeouts = timeouts or Timeouts()
        self.limits = limits or Limits()
        self.head_cache = HeadCache()
        """What clients say again, on one connection after the other."""
        self.responses = ResponseReader(self.limits)
        """Reads the heads of all backends' responses."""
        self.retry = retry or RetryRules()
        self.connections: set[Drainable] = set()
        """Every open connection of a client."""
        self.flushing: set[Waiter] = set()
        """Clients that wait until the kernel has taken all that was written; each sweep wakes them."""
        self.batch = WriteBatch(observe)
        self.draining = False
        self.observe = self.batch.observe
        self.trusted = trusted or Networks(())
        self.explain_to = explain_to or Networks(())
        """The peers that are told why a request went where it did."""
        self._origin = origin
        self._origins = lru_cache(maxsize=ORIGINS)(self._make_origin)
        """Who opens a connection for each request comes from the same place each time."""
        self.upstream_tls = upstream_tls or UpstreamTls()
        self.preamble = preamble
        """Writes the PROXY protocol's preamble for backends; None if they expect none."""
        self.keeps_upstreams = preamble is None and self.timeouts.upstream_keepalive > 0
        """Whether a connection to a backend may serve more than one request, of whichever client."""
        self.names = Names()
        """The addresses of backends that are registered by name."""
        self.certificates: Certificates | None = None
        """Those of the TLS listeners; None without one."""
        self.redirect_port = redirect_port
        """Where clients that come without TLS are sent; 0 to serve them."""
        self.response_head = with_hsts(hsts) if hsts else response_head
        """Writes the heads of answers that go by TLS."""
        self._admission = admission or Connections()
        self.leave = self._admission.leave
        self.last_but_one = requests - 1
        """Answers after which a connection has one left; negative for never."""
        self.quota = self.timeouts.body_rate * self.timeouts.body
        """Bytes of a body that a client must send or take before its time-out begins anew."""
        self._rate = Rate(rate) if rate else None
        self._tracing = tracing
        self._untraced = self._within_rate if rate else self._identify
        self.identify: Callable[[Record, ClientInfo], None] = self._traced if tracing else self._untraced
        """Finds out who asks, and gives the request an id; may refuse it."""
        self.date = b""
        """The time now as answers tell it (RFC 9110 §5.6.7), as of the last sweep."""
        self._ids = _ids(os.urandom(8).hex().encode())

    def origin(self, address: str, tls: ssl.SSLObject | None, *, believed: bool) -> ClientInfo:
        """What backends are told of a client's connection.

        Args:
            address: the peer's, or the one that a PROXY protocol preamble names.
            tls: the end of TLS, if the connection uses it.
            believed: whether X-Forwarded fields count on it, if the address is a trusted proxy's.
        """
        if tls is None:
            return self._origins(address, "http", b"", believed)
        about_client = self.certificates.about_client(tls) if self.certificates else b""
        return self._origins(address, "https", about_client, believed)

    def _make_origin(self, address: str, scheme: str, certificate: bytes, believed: bool) -> ClientInfo:  # noqa: FBT001
        proxies = self.trusted if believed else ()
        return self._origin(address, scheme, proxies=proxies, certificate=certificate)

    def enter(self, origin: ClientInfo) -> str:
        """Take up a connection; return what to give to `leave`.

        Raises:
            ProxyError: it is one too many.
        """
        others = len(self.connections) - 1
        return self._admission.enter(origin.address, others, trusted=origin.trusted)

    def _traced(self, record: Record, origin: ClientInfo) -> None:
        cast(Tracing, self._tracing).begin(cast(Request, record.request))
        self._untraced(record, origin)

    def refused(
        self,
        address: str,
        error: ProxyError,
        answer: Callable[[Record, ProxyError], None] = lambda _record, _error: None,
    ) -> None:
        """Answer and observe what never became a request.

        Args:
            address: whom it came from.
            error: what was wrong with it.
            answer: sends the answer, if there is one.
        """
        record = Record(address, monotonic())
        record.finished = record.started
        record.ended(error)
        answer(record, error)
        self.observe(record)

    def _within_rate(self, record: Record, origin: ClientInfo) -> None:
        self._identify(record, origin)
        cast(Rate, self._rate).count(record.client, record.started)

    def _identify(self, record: Record, origin: ClientInfo) -> None:
        # The id is the one that a trusted peer gave, or a new one.
        if origin.trusted:
            request = cast(Request, record.request)
            record.client = origin.identify(request).client
            record.id = origin.request_id(request)
        if not record.id:
            record.id = next(self._ids)


def _ids(prefix: bytes) -> Iterator[bytes]:
    """Ids for requests: unique here, elsewhere but for 1 in 2**64. Last digits are written only once."""
    blocks = (b"%b%06x" % (prefix, number) for number in count())
    return chain.from_iterable(map(block.__add__, LAST_DIGITS) for block in blocks)

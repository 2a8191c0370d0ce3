"""The data plane: what all connections of one worker share, and the one sweep that keeps their time."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate
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
from pylb.model import Snapshot
from pylb.observe.record import Record
from pylb.policy.admission import Connections, Rate
from pylb.policy.networks import Networks
from pylb.policy.pool import Change, Pool
from pylb.policy.retry import RetryRules
from pylb.policy.route import Routes
from pylb.proxy.batch import WriteBatch
from pylb.proxy.downstream import ConnectionAddresses, Downstream
from pylb.proxy.names import Names
from pylb.proxy.proxyprotocol import Preamble
from pylb.proxy.sweep import PERIOD, Sweep
from pylb.proxy.tls import Certificates
from pylb.proxy.upstream import abandon, close_idle, close_unused
from pylb.proxy.upstreamtls import UpstreamTls

CERTIFICATES = 2.0
"""Seconds between two looks at the files of certificates."""

UNSENT = 128 * 1024
"""Bytes for a client that the kernel keeps beyond those that are on their way to it (TCP_NOTSENT_LOWAT).

Without it the kernel takes up to 4 MB for a client that does not read: then bodies end up in its memory, a
thousand slow readers have a gigabyte copied for them at once, and none of them is seen to be slow."""

LAST_DIGITS = tuple(b"%02x" % number for number in range(256))
"""Of ids."""

ORIGINS = 1024
"""Places that clients come from which are remembered: less than 1 MB."""

HANDSHAKE = 1.0
"""Seconds from the beginning of an end in which TLS handshakes that have begun may be finished."""

TLS_GOODBYE = 2.0
"""Seconds that a client has to answer the end of TLS before the connection is cut off."""

IDLE_AT_DRAIN = 0.1
"""Of the time for draining: how long a client's idle connection is kept open.

A client that is about to send a request gets to send it, and is told `Connection: close` with the answer; one
that is not does not hold up the end."""


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


class Server:
    """One worker's listeners, client connections and pools.

    Args:
        routes: which request goes to which pool.
        pools: the pool of each service.
        timeouts: how long to wait for what.
        limits: how large a head may be.
        retry: which requests are tried again.
        observe: called once per request, at its end.
        trusted: the peers that are believed when they say where a client is.
        proxy_protocol: whether those peers begin each connection with a PROXY protocol preamble.
        admission: which connections are one too many.
        requests: how many a connection may carry; 0 for any number.
        rate: requests per second that one client may make; 0 for any number.
        redirect_port: where clients that come without TLS are sent; 0 to serve them.
        hsts: seconds for which browsers are told to come by TLS only; 0 to tell them nothing.
        upstream_tls: which backends speak TLS; those that say so, if not given.
        preamble: writes what backends are told of a client before anything else, in the PROXY protocol.
        tracing: gives requests their place in a trace; None leaves what they say of it alone.
        explain_to: the peers that are told, if they ask, why a request went where it did.
        origin: builds the client facts of a connection: `ClientInfo`, or `ForwardedClientInfo`, which
            does it in RFC 7239's way too.
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
        proxy_protocol: bool = False,
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
        self.connections: set[Downstream] = set()
        self.flushing: set[Downstream] = set()
        """Clients that wait until the kernel has taken all that was written; each sweep wakes them."""
        self.batch = WriteBatch(observe)
        self.draining = False
        self.observe = self.batch.observe
        self._trusted = trusted or Networks(())
        self.explain_to = explain_to or Networks(())
        """The peers that are told why a request went where it did."""
        self._proxy_protocol = proxy_protocol
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
        self._certificates: Certificates | None = None
        self._look_at_certificates = 0.0
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
        self._servers: list[asyncio.Server] = []
        self.sweep = Sweep(
            self._update_date,
            self._expire_clients,
            self._wake_flushing,
            self._maintain_pools,
            self._refresh_certificates,
        )
        self._ids = _ids(os.urandom(8).hex().encode())

    async def listen(self, listening: socket.socket) -> None:
        """Serve the connections that arrive on a bound socket."""
        loop = asyncio.get_running_loop()
        _keep_little_unsent(listening)
        make = self._preamble if self._proxy_protocol else self._client
        self._servers.append(await loop.create_server(make, sock=listening, backlog=4096))
        self.sweep.start()

    async def listen_tls(self, listening: socket.socket, certificates: Certificates) -> None:
        """Serve the connections that arrive on a bound socket, by TLS."""
        loop = asyncio.get_running_loop()
        _keep_little_unsent(listening)
        server = await loop.create_server(
            self._client,
            sock=listening,
            backlog=4096,
            ssl=certificates.context,
            ssl_handshake_timeout=self.timeouts.head,
            ssl_shutdown_timeout=TLS_GOODBYE,
        )
        self._servers.append(server)
        self._certificates = certificates
        self.sweep.start()

    def apply(self, snapshot: Snapshot) -> Change:
        """Swap a service's pool: what is gone loses its idle connections, but requests in flight finish.

        Only those on instances that are abandoned do not.
        """
        pool = self.pools[snapshot.service]
        change = pool.apply(snapshot)
        for backend in change.removed:
            close_unused(backend)
        for excluded in snapshot.excluded:
            identity = excluded.endpoint.key, excluded.endpoint.authority
            if excluded.abandoned and identity in pool.draining:
                abandon(pool.draining[identity])
        return change

    async def drain(self, timeout: float) -> int:
        """Stop accepting, let what runs finish, then cut off the rest.

        Args:
            timeout: seconds until connections are cut off.

        Returns:
            How many were.
        """
        self.draining = True
        for server in self._servers:
            server.close()
        now = monotonic()
        idle = min(self.timeouts.keepalive, timeout * IDLE_AT_DRAIN)
        for client in self.connections:
            client.close_after_response = True
            if client.idle:
                client.deadline = min(client.deadline, now + idle)
        # An answer that is under way may have promised its client another request.
        self.timeouts = replace(self.timeouts, keepalive=idle)
        # What was accepted last is not listed yet, and who speaks TLS not before the handshake is done.
        listed = now + (HANDSHAKE if self._certificates else 0.0)
        while True:
            await asyncio.sleep(PERIOD / 5)
            done = not self.connections and monotonic() > listed
            if done or monotonic() > now + timeout:
                return self.close()

    def close(self) -> int:
        """Cut off every connection, now; return how many there were."""
        for server in self._servers:
            server.close()
        self.sweep.stop()
        self.batch.run()
        cut = list(self.connections)
        for client in cut:  # All are marked before one ends, or its backend would go to another that waits.
            client.lost = client.cut_off = True
        for client in cut:
            client.wake()
            client.transport.abort()
        for pool in self.pools.values():
            for backend in pool.backends.values():
                close_idle(backend)
        return len(cut)

    def origin(self, address: str, tls: ssl.SSLObject | None, *, believed: bool) -> ClientInfo:
        """What backends are told of a client's connection.

        Args:
            address: the peer's, or the one that a PROXY protocol preamble names.
            tls: the end of TLS, if the connection uses it.
            believed: whether X-Forwarded fields count on it, if the address is a trusted proxy's.
        """
        if tls is None:
            return self._origins(address, "http", b"", believed)
        about_client = self._certificates.about_client(tls) if self._certificates else b""
        return self._origins(address, "https", about_client, believed)

    def _make_origin(self, address: str, scheme: str, certificate: bytes, believed: bool) -> ClientInfo:  # noqa: FBT001
        proxies = self._trusted if believed else ()
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

    def _client(self, named: ConnectionAddresses | None = None, *, believed: bool = True) -> Downstream:
        return Downstream(self, named, believed=believed)

    def _preamble(self) -> Preamble:
        return Preamble(self._client, self._trusted.__contains__, self.timeouts.head, self.refused)

    def _update_date(self, _: float) -> None:
        self.date = formatdate(usegmt=True).encode()

    def _expire_clients(self, now: float) -> None:
        """Move deadlines on where bytes moved, and wake each client whose deadline has passed."""
        # What clients sent while this process was held up waits to be read: it is not they who are late.
        heard = min(now, self.sweep.due)
        late = []
        for client in self.connections:
            if client.progressed:
                client.moved(now)
            if client.deadline < heard:
                late.append(client)
        for client in late:
            client.expired = True
            client.wake()

    def _wake_flushing(self, _: float) -> None:
        for client in tuple(self.flushing):
            client.wake()

    def _maintain_pools(self, now: float) -> None:
        """Let ejected backends return, and close connections to backends that were idle for too long."""
        before = now - self.timeouts.upstream_keepalive
        for pool in self.pools.values():
            pool.tick(now)
            for backend in pool.backends.values():
                if backend.idle:
                    close_idle(backend, before)

    def _refresh_certificates(self, now: float) -> None:
        if self._certificates is not None and now > self._look_at_certificates:
            self._look_at_certificates = now + CERTIFICATES
            self._certificates.refresh()


def _ids(prefix: bytes) -> Iterator[bytes]:
    """Ids for requests: unique here, elsewhere but for 1 in 2**64. Last digits are written only once."""
    blocks = (b"%b%06x" % (prefix, number) for number in count())
    return chain.from_iterable(map(block.__add__, LAST_DIGITS) for block in blocks)


def _keep_little_unsent(listening: socket.socket) -> None:
    """Set `UNSENT` for all connections that a listener accepts; they inherit it."""
    if listening.family != socket.AF_UNIX:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)

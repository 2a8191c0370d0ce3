"""A tunnel after a 101 response: bytes in both directions until both sides have ended, or the idle timeout.

A tunnel holds the lease on its backend. A change of the pool does not affect it: a backend that left the
registry drains until its tunnels have ended.
"""

from __future__ import annotations

from time import monotonic
from typing import cast

from pylb.errors import CUT_OFF, Fault, Phase, ProxyError
from pylb.http1.bad_request import bad_response, shown
from pylb.http1.body import IDENTITY, UntilClose
from pylb.http1.parser import Request, Response
from pylb.observe.record import Record
from pylb.proxy.exchange import Exchange
from pylb.proxy.transfer import EVENT, BodyPump, ByteStream
from pylb.proxy.upstream.upstream import Upstream
from pylb.proxy.waiter import Waiter


class RelayDirection(BodyPump):
    """One direction of a tunnel. Its end of stream is passed on and leaves the other direction open."""

    __slots__ = ()

    def __init__(self, source: ByteStream, client: Waiter) -> None:
        super().__init__(source, UntilClose(), IDENTITY, client)

    def half_close(self) -> bool:
        """Pass the end of stream on. A connection that cannot be half-closed (TLS) closes."""
        if self.sink is None or self.sink.lost or not self.sink.can_half_close:
            return False
        self.sink.half_close()
        self.finish()
        return self.source.can_half_close


async def tunnel(
    client: Exchange, upstream: Upstream, record: Record, response: Response, upload: BodyPump | None
) -> bool:
    """Answer 101 and join the two connections; return False, because no request can follow on them.

    Args:
        client: the exchange whose request asked for the upgrade.
        upstream: the backend connection that sent the 101.
        record: of the request.
        response: the 101 response.
        upload: the request's body, if it was not sent together with the head.

    Raises:
        ProxyError: 502, the backend must not switch protocols now, or not to this one.
    """
    uploaded = upload is None or upload.done
    check(cast(Request, record.request), response, upstream.backend.name, uploaded=uploaded)
    record.status = response.status
    record.sending = True
    head = client.switch(response)
    down, up = RelayDirection(upstream, client), RelayDirection(client, client)
    down.start(client, head)
    up.start(upstream, b"")
    timeouts = client.service.timeouts
    client.set_deadline(record.attempts[-1].head, timeouts.tunnel_timeout)
    try:
        while not (client.lost or upstream.lost or (down.done and up.done)):
            if client.expired:
                record.ended(_idle(client.timeout))
                break
            if (down.done or up.done) and client.timeout != timeouts.body_timeout:
                client.set_deadline(
                    monotonic(), timeouts.body_timeout
                )  # One side has ended. The other one has less time.
            await EVENT
        if client.cut_off:
            record.ended(ProxyError(Phase.TUNNEL, Fault.KILLED, CUT_OFF))
    finally:
        record.sent, record.received = down.moved, up.moved
        client.pump = client.producer = None
        upstream.close_after_writes(timeouts.body_timeout)
    return False


def check(request: Request, response: Response, name: str, *, uploaded: bool) -> None:
    """Check that the backend may switch protocols (RFC 9110 section 7.8).

    Raises:
        ProxyError: 502: the request asked for no upgrade, or for another protocol, or has not been sent
            completely; its rest would be taken for bytes of the other protocol.
    """
    if not request.upgrade:
        raise bad_response(f"{name} switched protocols without being asked")
    if not _names(response.upgrade) <= _names(request.upgrade):
        raise bad_response(f"{name} switched to {shown(response.upgrade)}, not {shown(request.upgrade)}")
    if not uploaded:
        raise bad_response(f"{name} switched protocols inside the request's body")


def _names(protocols: bytes) -> frozenset[bytes]:
    return frozenset(name.strip() for name in protocols.lower().split(b","))


def _idle(seconds: float) -> ProxyError:
    """Return the reason for the end of an idle tunnel. It is no failure, so it is not raised."""
    return ProxyError(Phase.TUNNEL, Fault.CLIENT_TIMEOUT, f"nothing moved in the tunnel for {seconds:g} s")

"""After an upgrade: bytes both ways until both sides have ended, or nothing moved for too long.

A tunnel keeps the lease on its backend. A change of the pool does not touch it: a backend that left the
registry goes on draining until its tunnels have ended.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, cast

from pylb.errors import CUT_OFF, Fault, Phase, ProxyError
from pylb.http1.bad_request import bad_response, shown
from pylb.http1.body import UntilClose
from pylb.http1.parser import Request, Response
from pylb.http1.writer import response_head
from pylb.observe.record import Record
from pylb.proxy.transfer import EVENT, BodyPump, Connection
from pylb.proxy.upstream import Upstream

if TYPE_CHECKING:
    from pylb.proxy.downstream import Downstream


class RelayDirection(BodyPump):
    """One direction of a tunnel. Its end is passed on as an end, and leaves the other direction open."""

    __slots__ = ()

    def __init__(self, source: Connection, client: Downstream) -> None:
        super().__init__(source, UntilClose(), client, chunked=False)

    def half_close(self) -> bool:
        """Pass the end on; a connection that has only one end for both directions (TLS) closes."""
        if self.sink is None or self.sink.lost or not self.sink.transport.can_write_eof():
            return False
        self.sink.flush()
        self.sink.transport.write_eof()
        self.finish()
        return self.source.transport.can_write_eof()


async def tunnel(
    client: Downstream, upstream: Upstream, record: Record, response: Response, upload: BodyPump | None
) -> bool:
    """Answer 101 and join the two connections; return false: no request can follow on them.

    Args:
        client: who asked for it.
        upstream: who agreed.
        record: the request's.
        response: the 101.
        upload: the request's body, if it has one that does not go with its head.

    Raises:
        ProxyError: 502, the backend may not switch now, or not to that protocol.
    """
    uploaded = upload is None or upload.done
    check(cast(Request, record.request), response, upstream.backend.name, uploaded=uploaded)
    record.status = response.status
    record.sending = True
    head = response_head(response, chunked=False, close=False, version=1)
    down, up = RelayDirection(upstream, client), RelayDirection(client, client)
    down.start(client, head)
    up.start(upstream, b"")
    timeouts = client.plane.timeouts
    client.set_deadline(record.attempts[-1].head, timeouts.tunnel)
    try:
        while not (client.lost or upstream.lost or (down.done and up.done)):
            if client.expired:
                record.ended(_idle(client.timeout))
                break
            if (down.done or up.done) and client.timeout != timeouts.body:
                client.set_deadline(
                    monotonic(), timeouts.body
                )  # One side has ended; the other is not waited for as long.
            await EVENT
        if client.cut_off:
            record.ended(ProxyError(Phase.TUNNEL, Fault.KILLED, CUT_OFF))
    finally:
        record.sent, record.received = down.moved, up.moved
        upstream.pump = client.pump = None
        upstream.producer = client.producer = None
        upstream.client = None
        upstream.reusable = False
        _part(upstream, timeouts.body)
    return False


def _part(upstream: Upstream, seconds: float) -> None:
    """Close the backend's connection; what is still to be written has so many seconds to go out."""
    transport = upstream.transport
    if upstream.lost:
        return
    upstream.flush()
    upstream.resume()  # TLS ends by an exchange of messages.
    transport.close()
    if transport.get_write_buffer_size():
        asyncio.get_running_loop().call_later(seconds, transport.abort)


def check(request: Request, response: Response, name: str, *, uploaded: bool) -> None:
    """Whether the backend may switch protocols (RFC 9110 §7.8).

    Raises:
        ProxyError: 502: it was not asked to, not to that one, or not before it has the whole request, whose
            rest would be taken for the other protocol's.
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
    """The end of a tunnel that nobody uses: nobody's failure, so it is not raised, and no lease is blamed."""
    return ProxyError(Phase.TUNNEL, Fault.CLIENT_TIMEOUT, f"nothing moved in the tunnel for {seconds:g} s")

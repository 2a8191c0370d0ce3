"""After an upgrade: bytes both ways until both sides have ended, or nothing moved for too long.

A tunnel keeps the lease on its backend. A change of the pool does not touch it: a backend that left the
registry goes on draining until its tunnels have ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pylb.errors import Fault, Phase, ProxyError
from pylb.http1.body import UntilClose
from pylb.http1.parser import Request, Response
from pylb.http1.refusal import bad_response
from pylb.http1.writer import response_head
from pylb.observe.record import Record
from pylb.proxy.flow import EVENT, Pump, Stream
from pylb.proxy.upstream import Upstream

if TYPE_CHECKING:
    from pylb.proxy.downstream import Downstream


class Half(Pump):
    """One direction of a tunnel. Its end is passed on as an end, and leaves the other direction open."""

    __slots__ = ()

    def __init__(self, source: Stream, client: Downstream) -> None:
        super().__init__(source, UntilClose(), client, chunked=False)

    def half_close(self) -> bool:
        """Pass the end on; a transport that cannot (TLS) closes."""
        if self.sink is None or self.sink.lost or not self.sink.transport.can_write_eof():
            return False
        self.sink.transport.write_eof()
        self.finish()
        return True


async def tunnel(client: Downstream, upstream: Upstream, record: Record, response: Response) -> bool:
    """Answer 101 and join the two connections; return false: no request can follow on them.

    Raises:
        ProxyError: nobody had asked for an upgrade, or nothing moved for longer than the tunnel time-out.
    """
    if not cast(Request, record.request).upgrade:
        raise bad_response(f"{upstream.backend.name} switched protocols without being asked")
    record.status = response.status
    record.sending = True
    head = response_head(response, chunked=False, close=False, version=1)
    down, up = Half(upstream, client), Half(client, client)
    down.start(client, head)
    up.start(upstream, b"")
    client.arm(record.attempts[-1].head, client.plane.timeouts.tunnel)
    try:
        while not (client.lost or upstream.lost or (down.done and up.done)):
            if client.expired:
                raise ProxyError(
                    Phase.TUNNEL, Fault.UPSTREAM_TIMEOUT, "nothing moved in the tunnel for too long"
                )
            await EVENT
    finally:
        record.sent, record.received = down.moved, up.moved
        upstream.pump = client.pump = None
        client.filler = None
        if not upstream.lost:
            upstream.client = None
            upstream.reusable = False
            upstream.transport.close()
    return False

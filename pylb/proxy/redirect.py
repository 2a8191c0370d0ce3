"""From the plain port to the TLS port."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from pylb.errors import ProxyError
from pylb.http1.parser import parse_request
from pylb.http1.writer import redirection
from pylb.observe.record import Record
from pylb.proxy.forward import forward

if TYPE_CHECKING:
    from pylb.proxy.downstream import Downstream

BY_TLS = frozenset([b"https", b"wss"])
"""Schemes with which a request reached a trusted peer by TLS."""


async def redirect(client: Downstream, head: bytes, record: Record) -> bool:
    """Answer a request with the same URL on the TLS port; `forward` where no TLS is to be had.

    308 keeps method and body (RFC 9110 §15.4.9). A trusted peer that had the request by TLS is served, and so
    is HTTP/1.0 without a Host, which cannot be told where to go.

    Returns:
        Whether another request may follow on the connection.
    """
    plane = client.plane
    try:
        request = parse_request(head, plane.limits)
    except ProxyError:
        return await forward(client, head, record)  # It refuses it for the same reason.
    by_tls = client.origin.identify(request).scheme in BY_TLS
    if by_tls or not request.host:
        return await forward(client, head, record)
    record.request = request
    try:
        plane.identify(record, client.origin)
        keep = not (request.close or client.close_after_response or request.length or request.chunked)
        record.status = 308
        client.queue_write(redirection(request, plane.redirect_port, close=not keep, date=plane.date))
    except ProxyError as error:
        record.ended(error)
        client.refuse(record, error)
        return False
    finally:
        record.finished = monotonic()
        plane.observe(record)
    if not keep:
        client.discard()
    elif client.recv_buffer:
        await client.next_iteration()
    return keep

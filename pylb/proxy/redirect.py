"""The redirect from the plain port to the TLS port: a handler for connections without TLS."""

from __future__ import annotations

from time import monotonic

from pylb.errors import ProxyError
from pylb.http1.parser import parse_request
from pylb.http1.writer import redirection
from pylb.observe.record import Record
from pylb.proxy.exchange import Exchange
from pylb.proxy.forward import forward

BY_TLS = frozenset([b"https", b"wss"])
"""Schemes of requests that reached a trusted peer by TLS."""


async def redirect(client: Exchange, head: bytes, record: Record) -> bool:
    """Redirect a request to the same URL on the TLS port; forward it if that is impossible or not needed.

    308 keeps method and body (RFC 9110 section 15.4.9). A request that a trusted peer received by TLS is
    forwarded. So is an HTTP/1.0 request without Host, for which no URL can be built.

    Returns:
        Whether another request may follow on the connection.
    """
    context = client.context
    try:
        request = parse_request(head, context.limits)
    except ProxyError:
        return await forward(client, head, record)  # `forward` refuses it for the same reason.
    by_tls = client.client_info.identify(request).scheme in BY_TLS
    if by_tls or not request.host:
        return await forward(client, head, record)
    record.request = request
    try:
        context.identify(record, client.client_info)
        keep = not (request.close or client.close_after_response or request.length or request.chunked)
        record.status = 308
        client.queue_write(redirection(request, context.redirect_port, close=not keep, date=context.date))
    except ProxyError as error:
        record.ended(error)
        client.refuse(record, error)
        return False
    finally:
        record.finished = monotonic()
        context.observe(record)
    if not keep:
        client.discard()
    elif client.recv_buffer:
        await client.next_iteration()
    return keep

"""The redirect from the plain port to the TLS port: a handler for connections without TLS."""

from __future__ import annotations

from pylb.http1.parser import Request
from pylb.http1.writer import tls_url
from pylb.observe.record import Record
from pylb.proxy.exchange import Exchange
from pylb.proxy.forward import forward

BY_TLS = frozenset([b"https", b"wss"])
"""Schemes of requests that reached a trusted peer by TLS."""


async def redirect(port: int, client: Exchange, request: Request, record: Record) -> bool:
    """Redirect a request to the same URL on the TLS port; forward it if that is impossible or not needed.

    308 keeps method and body (RFC 9110 section 15.4.9). A request that a trusted peer received by TLS is
    forwarded. So is an HTTP/1.0 request without Host, for which no URL can be built.

    With its first argument, the port with TLS, bound, this is an `exchange.Handler`.
    """
    if not request.host or client.client_info.identify(request).scheme in BY_TLS:
        return await forward(client, request, record)
    location = b"Location: %b\r\n" % tls_url(request, port)
    keep = client.answer(record, request, 308, location)
    if keep and client.recv_buffer:
        await client.next_iteration()
    return keep

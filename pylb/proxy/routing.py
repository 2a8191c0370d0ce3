"""The route of a request: its service, what the backend receives, and the responses that a route gives.

A request whose table has one route that changes nothing does not come here (`RouteTable.only`). For all
others the path is brought into its normal form once: what is matched is what is forwarded.
"""

from __future__ import annotations

from pylb.errors import Fault, Phase, ProxyError
from pylb.http1.bad_request import bad_request
from pylb.http1.parser import Request
from pylb.observe.record import Record
from pylb.proxy.exchange import Exchange
from pylb.proxy.service import Service
from pylb.routes.compiled import CompiledRoute
from pylb.routes.fit import Fit, Routed


def route(client: Exchange, request: Request, record: Record) -> Routed[Service]:
    """Find the route of a request.

    Raises:
        ProxyError: no route takes the request (404), the routes are not known yet or the route is blocked
            (503), the client may not use it (403), or the path is invalid (400).
    """
    routes = client.context.routes
    routed = routes.certain.get((request.host, request.target))
    if routed is not None:
        return routed
    try:
        fit = routes.find(request, client.client_info)
    except ValueError as error:
        raise bad_request(str(error)) from None
    if fit is None:
        raise _no_route(client)
    record.service = fit.route.route.service
    if fit.route.guarded:
        _check(fit.route, client, request)
    if fit.error:
        raise bad_request(fit.error)
    return fit.of(request.target)


async def answer(client: Exchange, request: Request, record: Record, fit: Fit[Service]) -> bool:
    """Send the response that a route gives itself; return whether another request may follow.

    Raises:
        ProxyError: the request lacks what the response needs (400).
    """
    try:
        status, location, text = fit.route.answer(request, fit.path, fit.stripped)
    except ValueError as error:
        raise bad_request(str(error)) from None
    fields = b"Content-Type: text/plain; charset=utf-8\r\n" if text else b""
    if location:
        fields = b"Location: %b\r\n" % location
    keep = client.answer(record, request, status, fields, text.encode())
    if keep and client.recv_buffer:
        await client.next_iteration()
    return keep


def _no_route(client: Exchange) -> ProxyError:
    routes = client.context.routes
    if routes.size or routes.generation:
        return ProxyError(Phase.QUEUE, Fault.POLICY, "no service is routed here", status=404)
    return ProxyError(Phase.QUEUE, Fault.POLICY, "the routes are not known yet", status=503)


def _check(found: CompiledRoute[Service], client: Exchange, request: Request) -> None:
    if found.route.blocked:
        raise ProxyError(Phase.QUEUE, Fault.POLICY, found.route.blocked, status=503)
    if found.access is not None and not found.access.permits(request, client.client_info):
        raise ProxyError(Phase.QUEUE, Fault.POLICY, "this client may not use the route", status=403)

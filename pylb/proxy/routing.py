"""The route of a request: its service, what the backend receives, and the responses that a route gives.

A request whose table has one route that changes nothing does not come here (`RouteTable.only`). For all
others the path is brought into its normal form once: what is matched is what is forwarded.
"""

from __future__ import annotations

from typing import NamedTuple

from pylb.errors import Fault, Phase, ProxyError
from pylb.http1.bad_request import bad_request
from pylb.http1.parser import Request
from pylb.http1.writer import HeadChanges
from pylb.observe.record import Record
from pylb.proxy.exchange import Exchange
from pylb.proxy.service import Service
from pylb.routes.apply import Answer
from pylb.routes.compiled import CompiledRoute
from pylb.routes.edit import ResponseEdit
from pylb.routes.path import normalise


class Routed(NamedTuple):
    """What becomes of a request."""

    service: Service | None
    """What it uses; None if pylb answers it."""
    changes: HeadChanges | None = None
    """Changes to the head that the backend receives; None changes nothing."""
    edit_response: ResponseEdit | None = None
    """Changes the fields of the response; None changes nothing."""
    answer: Answer = Answer(500)
    """The response of pylb, if there is no service."""


def route(client: Exchange, request: Request, record: Record) -> Routed:
    """Find the route of a request, and apply its actions.

    Raises:
        ProxyError: no route takes the request (404), the routes are not known yet or the route is blocked
            (503), the client may not use it (403), or the path is invalid (400).
    """
    original, mark, query = request.target.partition(b"?")
    try:
        path = normalise(original)
        found = client.context.routes.match(path, request, client.client_info)
        if found is None:
            raise _no_route(client)
        record.service = found.route.service
        _check(found, client, request)
        stripped = b""
        if found.edit_path is not None:
            path, stripped = found.edit_path(path)
        if found.service is None:
            return Routed(None, answer=found.answer(request, path, stripped))
    except ValueError as error:
        raise bad_request(str(error)) from None
    target, edit = path + mark + query, found.edit_request(stripped)
    changed = edit is not None or target != request.target
    return Routed(
        found.service, HeadChanges(target, edit or _unchanged) if changed else None, found.edit_response
    )


async def answer(client: Exchange, request: Request, record: Record, own: Answer) -> bool:
    """Send the response of a route; return whether another request may follow."""
    status, location, text = own
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


def _unchanged(lines: bytes, _authority: bytes) -> bytes:
    return lines

"""A response that is complete before its request: what happens to the rest of the request body.

Reasons and measurements: docs/adr/early-responses.md.
"""

from __future__ import annotations

from time import monotonic
from typing import cast

from pylb.http1.parser import Request
from pylb.observe.record import Record
from pylb.proxy.exchange import Exchange
from pylb.proxy.transfer import EVENT, BodyPump
from pylb.proxy.upstream.upstream import Upstream


async def finish(record: Record, client: Exchange, upstream: Upstream, upload: BodyPump) -> None:
    """Forward the rest of a request body after the response, while the backend reads it.

    A log collector may answer 202 at once, and an echo begins before the request ends: both read the whole
    body. A backend that closes, or reads nothing for `Context.linger_silence`, does not want the rest. Then
    pylb discards it, so that a client that reads the response only after sending everything receives it.

    pylb does not wait if the client waits: for a 100, or in HTTP/1.0 for the end of the connection.
    """
    record.finished = record.finished or monotonic()
    request = cast(Request, record.request)
    if request.version == 1 and (upload.moved or not request.expect):
        await _passed_on(client, upstream, upload)
    if not upload.done:
        upload.detach()
        client.discard()


async def _passed_on(client: Exchange, upstream: Upstream, upload: BodyPump) -> None:
    """Wait for the end of the body, while it moves at `--min-body-rate` and both connections live."""
    context = client.context
    silence, before = context.linger_silence, upload.moved
    client.set_deadline(monotonic(), silence)
    while not (upload.done or upload.error or client.lost or upstream.lost or upstream.recv_buffer):
        if client.expired:
            if upload.moved - before < max(client.service.min_body_rate * silence, 1):
                break
            before = upload.moved
            client.set_deadline(monotonic(), silence)
        await EVENT

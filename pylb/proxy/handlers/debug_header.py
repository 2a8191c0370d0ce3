"""The debug header: a handler that adds a field `X-Pylb-Explain` to the responses of requests that carry one.

The field explains the choice of the backend. Only connections from `--explain-to` get this handler, so that
no other client learns about the pool, and no other request pays for it.
"""

from __future__ import annotations

import json
from time import monotonic
from typing import Any

from pylb.http1 import grammar
from pylb.http1.parser import Request, Response
from pylb.observe.accesslog import attempt_fields
from pylb.observe.record import Record
from pylb.policy.explain import explain
from pylb.policy.pool_rows import row_of
from pylb.proxy.exchange import Exchange
from pylb.proxy.failure import fail
from pylb.proxy.forward import forward

REQUESTED = grammar.fields(rb"x-pylb-explain")

MAX_INSTANCES = 20
"""Instances of each kind in the field. Clients accept heads of some kilobytes."""


async def debug_header(client: Exchange, request: Request, record: Record) -> bool:
    """Forward a request; add to its response the state of the pool and the outcome of each attempt."""
    if REQUESTED.search(request.lines) is None:
        return await forward(client, request, record)
    others, state = client.extra_fields, _pool_state(client, request)

    def fields(response: Response | None) -> bytes:
        return (others(response) if others is not None else b"") + _field(state, record)

    client.extra_fields = fields
    try:
        return await forward(client, request, record)
    except Exception as failure:
        fail(client, record, failure)  # With the field.
        return False
    finally:
        client.extra_fields = others


def _pool_state(client: Exchange, request: Request) -> dict[str, Any]:
    """Return the state of the pool now, which is the moment at which `forward` chooses."""
    service = client.context.routes.service(request, client.client_info)
    if service is None:
        return {"service": None}
    state = explain(row_of(service.pool), monotonic())
    for instances in ("candidates", "excluded"):
        found = state[instances]
        if len(found) > MAX_INSTANCES:
            state |= {instances: found[:MAX_INSTANCES], f"more_{instances}": len(found) - MAX_INSTANCES}
    return state


def _field(state: dict[str, Any], record: Record) -> bytes:
    """Return the field line, with the outcome of the attempts so far."""
    attempts = [attempt_fields(attempt) for attempt in record.attempts]
    content = {
        **state,
        "winner": attempts[-1]["backend"] if attempts else None,
        "attempts": attempts,
        "after_ms": round((monotonic() - record.started) * 1e3, 3),
        "detail": record.detail,
    }
    text = json.dumps(content)  # A field is ASCII; orjson would not escape other scripts.
    return b"X-Pylb-Explain: %b\r\n" % text.encode()

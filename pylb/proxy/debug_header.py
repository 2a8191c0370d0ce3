"""The debug header: a handler that adds a field `X-Pylb-Explain` to the responses of requests that carry one.

The field explains the choice of the backend. Only connections from `--explain-to` get this handler, so that
no other client learns about the pool, and no other request pays for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from time import monotonic
from typing import Any

from pylb.errors import ProxyError
from pylb.http1 import grammar
from pylb.http1.parser import parse_request
from pylb.observe.accesslog import attempt_fields
from pylb.observe.record import Record
from pylb.policy.explain import explain
from pylb.proxy.exchange import Exchange
from pylb.proxy.forward import forward

REQUESTED = grammar.fields(rb"x-pylb-explain")

MAX_INSTANCES = 20
"""Instances of each kind in the field. Clients accept heads of some kilobytes."""


async def debug_header(client: Exchange, head: bytes, record: Record) -> bool:
    """Forward a request; add to its response the state of the pool and the outcome of each attempt."""
    if REQUESTED.search(head) is None:
        return await forward(client, head, record)
    writers = client.response_head, client.error_response
    state = _pool_state(client, head)
    client.response_head, client.error_response = (
        _with_explanation(write, state, record) for write in writers
    )
    try:
        return await forward(client, head, record)
    finally:
        client.response_head, client.error_response = writers


def _pool_state(client: Exchange, head: bytes) -> dict[str, Any]:
    """Return the state of the pool now, which is the moment at which `forward` chooses."""
    context = client.context
    try:
        request = parse_request(head, context.limits)
    except ProxyError:
        return {}
    pool = context.routes.match(request.host, request.target)
    if pool is None:
        return {"service": None}
    state = explain(pool, monotonic())
    for instances in ("candidates", "excluded"):
        found = state[instances]
        if len(found) > MAX_INSTANCES:
            state |= {instances: found[:MAX_INSTANCES], f"more_{instances}": len(found) - MAX_INSTANCES}
    return state


def _with_explanation(
    write: Callable[..., bytes], state: dict[str, Any], record: Record
) -> Callable[..., bytes]:
    """Return a writer of heads that adds the explanation to each head."""

    def head(*what: Any, **how: Any) -> bytes:
        start, end, rest = write(*what, **how).partition(b"\r\n\r\n")
        attempts = [attempt_fields(attempt) for attempt in record.attempts]
        winner = attempts[-1]["backend"] if attempts else None
        field = {
            **state,
            "winner": winner,
            "attempts": attempts,
            "after_ms": round((monotonic() - record.started) * 1e3, 3),
            "detail": record.detail,
        }
        text = json.dumps(field)  # A field is ASCII; orjson would not escape other scripts.
        return b"%b\r\nX-Pylb-Explain: %b%b%b" % (start, text.encode(), end, rest)

    return head

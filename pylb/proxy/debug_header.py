"""Requests whose client asks, by a field `X-Pylb-Explain`, why they go where they go: the answer tells it.

Only connections from `--explain-to` come here, so that nobody else pays for it or learns of the pool.
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

ASKED = grammar.fields(rb"x-pylb-explain")
MOST = 20
"""Instances of each kind that are named: a client takes heads of some kilobytes."""


async def debug_header(client: Exchange, head: bytes, record: Record) -> bool:
    """`forward`, and tell the client what was known when the backend was chosen, and how each try went."""
    if ASKED.search(head) is None:
        return await forward(client, head, record)
    plain = client.response_head, client.error_response
    known = _known(client, head)
    client.response_head, client.error_response = (_telling(write, known, record) for write in plain)
    try:
        return await forward(client, head, record)
    finally:
        client.response_head, client.error_response = plain


def _known(client: Exchange, head: bytes) -> dict[str, Any]:
    """What the pool would choose among at this moment, in which `forward` does choose."""
    context = client.context
    try:
        request = parse_request(head, context.limits)
    except ProxyError:
        return {}
    pool = context.routes.match(request.host, request.target)
    if pool is None:
        return {"service": None}
    known = explain(pool, monotonic())
    for instances in ("candidates", "excluded"):
        found = known[instances]
        if len(found) > MOST:
            known |= {instances: found[:MOST], f"more_{instances}": len(found) - MOST}
    return known


def _telling(write: Callable[..., bytes], known: dict[str, Any], record: Record) -> Callable[..., bytes]:
    """A writer of heads whose heads have the explanation in them."""

    def head(*what: Any, **how: Any) -> bytes:
        start, end, rest = write(*what, **how).partition(b"\r\n\r\n")
        attempts = [attempt_fields(attempt) for attempt in record.attempts]
        winner = attempts[-1]["backend"] if attempts else None
        told = {
            **known,
            "winner": winner,
            "attempts": attempts,
            "after_ms": round((monotonic() - record.started) * 1e3, 3),
            "detail": record.detail,
        }
        text = json.dumps(told)  # orjson writes names in any script; a field is ASCII.
        return b"%b\r\nX-Pylb-Explain: %b%b%b" % (start, text.encode(), end, rest)

    return head

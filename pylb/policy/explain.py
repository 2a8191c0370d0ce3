"""Why a request goes where it goes: whom its pool chooses among, whom it does not, and for which reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pylb.model import Endpoint
from pylb.policy.backend import Backend, State
from pylb.policy.pool import Pool

LEFT = "left the registry; what runs there is finished"


def explain(pool: Pool, now: float) -> dict[str, Any]:
    """A pool's situation, for JSON. Nothing changes by asking.

    Args:
        pool: of the service that the request is for.
        now: monotonic seconds.
    """
    return {
        "service": pool.service,
        "policy": pool.policy,
        "generation": pool.snapshot.generation if pool.snapshot else 0,
        "candidates": [
            {
                **_named(backend.endpoint),
                "weight": backend.weight,
                "in_flight": backend.inflight,
                "load": backend.load,
            }
            for backend in pool.eligible
        ],
        "excluded": [{**_named(endpoint), "reason": reason} for endpoint, reason in excluded(pool, now)],
    }


def excluded(pool: Pool, now: float) -> Iterator[tuple[Endpoint, str]]:
    """Every instance that gets no requests, and why."""
    known = {e.endpoint.authority: e.reason for e in pool.snapshot.excluded} if pool.snapshot else {}
    eligible = set(pool.eligible)
    for backend in pool.backends.values():
        if backend not in eligible:
            yield backend.endpoint, why_not(backend, now)
    for backend in pool.draining.values():
        yield backend.endpoint, known.get(backend.name) or why_not(backend, now)
    here = {backend.name for backend in (*pool.backends.values(), *pool.draining.values())}
    for each in pool.snapshot.excluded if pool.snapshot else ():
        if each.endpoint.authority not in here:
            yield each.endpoint, each.reason


def why_not(backend: Backend, now: float) -> str:
    """Why one that the registry vouches for gets no requests, or fewer; empty for one that is well."""
    match backend.state:
        case State.SUSPECT | State.EJECTED:
            left = max(0.0, backend.health.until - now)
            return f"failures in a row: {backend.health.failures}; left alone for {left:.0f} s more"
        case State.HALF_OPEN:
            return "was left alone for failures; gets one request at a time until one is answered well"
        case State.FAILED:
            verdict = backend.endpoint.verdict
            return f"its probes fail: {verdict.why if verdict else ''}"
        case State.DRAINING:
            return LEFT
    if backend.weight <= 0:
        return "weight 0"
    return f"new, so it has {backend.part:.0%} of its weight for now" if backend.part < 1 else ""


def _named(endpoint: Endpoint) -> dict[str, str]:
    return {"id": endpoint.id, "address": endpoint.authority}

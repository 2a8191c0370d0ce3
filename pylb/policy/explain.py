"""Explains a pool's decisions: its candidates, the excluded instances, and the reason for each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pylb.model import Endpoint
from pylb.policy.backend import State
from pylb.policy.rows import BackendRow, ServiceRow

LEFT = "left the registry; running requests finish"


def explain(pool: ServiceRow, now: float) -> dict[str, Any]:
    """Return the state of a pool as a JSON object.

    Args:
        pool: the row of the requested service.
        now: monotonic seconds.
    """
    return {
        "service": pool.service,
        "policy": pool.policy,
        "generation": pool.applied.generation if pool.applied else 0,
        "candidates": [
            {
                **_named(backend.endpoint),
                "weight": backend.weight,
                "in_flight": backend.in_flight,
                "load": backend.load,
            }
            for backend in pool.eligible
        ],
        "excluded": [{**_named(endpoint), "reason": reason} for endpoint, reason in excluded(pool, now)],
    }


def excluded(pool: ServiceRow, now: float) -> Iterator[tuple[Endpoint, str]]:
    """Yield every instance that receives no requests, and the reason."""
    known = {e.endpoint.authority: e.reason for e in pool.applied.excluded} if pool.applied else {}
    eligible = set(pool.eligible)
    for backend in pool.backends:
        if backend not in eligible:
            yield backend.endpoint, why_not(backend, now) or standby(backend)
    for backend in pool.draining:
        yield backend.endpoint, known.get(backend.name) or why_not(backend, now)
    here = {backend.name for backend in (*pool.backends, *pool.draining)}
    for each in pool.applied.excluded if pool.applied else ():
        if each.endpoint.authority not in here:
            yield each.endpoint, each.reason


def why_not(backend: BackendRow, now: float) -> str:
    """Return why a backend receives no requests or fewer than its weight implies; empty if neither."""
    match backend.state:
        case State.SUSPECT | State.EJECTED:
            left = max(0.0, backend.until - now)
            failures = f"consecutive failures: {backend.failures}"
            return f"{failures}; {backend.state.value} for {left:.0f} s more"
        case State.HALF_OPEN:
            return "half-open after ejection: one trial request at a time until one succeeds"
        case State.FAILED:
            verdict = backend.overlay.verdict
            return f"probes fail: {verdict.why if verdict else ''}"
        case State.DRAINING:
            return LEFT
    if backend.weight <= 0:
        return "weight 0"
    return f"slow start: {backend.ramp_fraction:.0%} of its weight" if backend.ramp_fraction < 1 else ""


def standby(backend: BackendRow) -> str:
    """Return why a healthy backend receives no requests."""
    endpoint = backend.endpoint
    zone = f" in zone {endpoint.zone or 'unknown'}" if backend.overlay.other_zone else ""
    return f"standby: priority {endpoint.priority}{zone}, and better tiers have enough capacity"


def _named(endpoint: Endpoint) -> dict[str, str]:
    return {"id": endpoint.id, "address": endpoint.authority}

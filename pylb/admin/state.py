"""The state of a pylb as plain rows: for the dashboard, `pylb top` and the API.

Rules: each function reads a `View` and returns values that JSON can hold. Nothing here changes state.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from math import inf
from typing import Any

from pylb import __version__
from pylb.admin.protocol import protocols
from pylb.admin.views import View
from pylb.observe.samples import Sample
from pylb.policy.overrides import DECIDED, Override

STALE = 120.0
"""Seconds without an answer of the registry after which a warning appears: two blocking queries."""
SILENT = 2.0
"""Seconds without a heartbeat of a worker after which an error appears; a worker sends four a second."""
SHARE = 0.1
"""Ratio of failed requests of a backend above which an error appears."""


def state(view: View, now: float) -> dict[str, Any]:
    """The current state. `now`: seconds since the epoch."""
    return {
        "time": now,
        "version": __version__,
        "state": view.lifecycle.state.word,
        **view.clients(),
        "services": services(view),
        "backends": list(backends(view)),
        "problems": list(problems(view)),
        "overrides": [described(override) for override in view.overrides.values()],
    }


def services(view: View) -> list[dict[str, Any]]:
    """One row per service: the freshness of its backend list, and its traffic."""
    fresh, members = view.readiness()["services"], view.membership()
    return [
        {
            "service": service,
            **fresh[service],
            "generation": members[service]["generation"],
            "observed": members[service]["observed"],
            "cause": members[service]["cause"],
            "policy": view.rows.row(service).policy,
            "traffic": _latest(view.samples.services.get(service)),
        }
        for service in view.rows.services
    ]


def backends(view: View) -> Iterator[dict[str, Any]]:
    """One row per instance, excluded ones included, with the reason for its state."""
    for service, members in view.membership().items():
        protocol = protocols(view, service)
        reasons = {excluded["address"]: excluded["reason"] for excluded in members["excluded"]}
        for backend in members["backends"]:
            ring = view.samples.backends.get((service, backend["address"]))
            yield {
                "service": service,
                **backend,
                "why": reasons.get(backend["address"]) or backend["why"],
                "protocol": protocol(
                    backend["declared_protocol"],
                    backend["http2_connections"],
                    bool(backend["idle_connections"] or backend["in_flight"]),
                ),
                "traffic": _latest(ring),
                "requests": [round(sample.requests, 1) for sample in ring or ()],
                "p99": [sample.p99 for sample in ring or ()],
            }
        here = {backend["address"] for backend in members["backends"]}
        for excluded in members["excluded"]:
            if excluded["address"] not in here:
                yield {
                    "service": service,
                    "id": excluded["id"],
                    "address": excluded["address"],
                    "state": "drained" if excluded["reason"].startswith(DECIDED) else "out",
                    "why": excluded["reason"],
                    "weight": 0,
                    "in_flight": 0,
                    "traffic": None,
                    "requests": [],
                    "p99": [],
                }


def problems(view: View) -> Iterator[dict[str, str]]:
    """Conditions that need an operator's attention; empty when all is well."""
    for worker in view.workers():
        if (age := worker["heartbeat_age"]) > SILENT:
            name = f"{worker['name']} (pid {worker['pid']})"
            yield _problem(
                "error", "", f"{name} has sent no heartbeat for {age:.0f} s; --watchdog-timeout replaces it"
            )
    ages = {service: watch.age(view.clock()) for service, watch in view.watches.items()}
    for service in view.rows.services:
        pool = view.rows.row(service)
        watch = view.watches[service]
        if not pool.eligible:
            yield _problem("error", service, pool.why_empty() + (watch.missing and f": {watch.missing}"))
        if watch.error:
            yield _problem("error", service, f"the registry does not answer: {watch.error}")
        elif (age := ages[service]) is not None and age > STALE:
            yield _problem("warning", service, f"the registry last answered {age:.0f} s ago")
        if watch.undelivered:
            yield _problem("error", service, f"the last change could not be delivered: {watch.undelivered}")
        if watch.retained:
            yield _problem(
                "warning", service, f"{watch.retained} instances are retained: {watch.untrusted_reason}"
            )
        for excluded in pool.applied.excluded if pool.applied else ():
            if excluded.reason.startswith(DECIDED):
                continue
            name = excluded.endpoint.id or excluded.endpoint.authority
            yield _problem("warning", service, f"{name} is excluded: {excluded.reason}")
    for (service, address), ring in view.samples.backends.items():
        requests, errors = (sum(getattr(s, field) for s in ring) for field in ("requests", "errors"))
        if errors > SHARE * requests:
            yield _problem(
                "error", service, f"{address} answers {errors / requests:.0%} of its requests with 5xx"
            )
    for problem in (*view.declaration_problems(), *view.routes.problems):
        yield _problem("warning", problem.service, problem.text, about="routes")
    for crash in view.crashes():
        yield _problem("error", "", crash)
    if dropped := view.log_lines_dropped():
        yield _problem("warning", "", f"{dropped} access log lines were dropped because the reader is slow")


def described(override: Override) -> dict[str, Any]:
    """An override as a JSON object."""
    return {
        "id": override.id,
        "service": override.service,
        "action": override.action.value,
        "backend": override.backend,
        "weight": override.weight,
        "policy": override.policy,
        "level": override.level,
        "reason": override.reason,
        "since": override.since,
        "expires": None if override.expires == inf else override.expires,
    }


def _latest(ring: deque[Sample] | None) -> dict[str, Any] | None:
    return ring[-1].as_dict() if ring else None


def _problem(severity: str, service: str, text: str, about: str = "") -> dict[str, str]:
    return {"severity": severity, "service": service, "text": text, "about": about}

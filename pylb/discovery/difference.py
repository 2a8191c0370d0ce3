"""The difference between two snapshots of a service, for the log, metrics and the cause of a change.

Rules: pure functions. By the time an operator asks why a pool shrank, the registry has forgotten the reason,
so each removal is reported with its cause when it happens.
"""

from __future__ import annotations

from dataclasses import dataclass

from pylb.discovery.abbreviation import abbreviated
from pylb.model import Endpoint, Snapshot

DEREGISTERED, MOVED = "deregistered", "moved"
"""Causes that no response states: the instance is no longer listed, or is listed at another address."""

CAUSES = (DEREGISTERED, MOVED, "critical", "warning", "node", "maintenance", "duplicate", "invalid", "unfit")
"""All causes of removals; those after `MOVED` are the causes of `model.Excluded`."""

MAX_NAMED = 10
"""Changed instances that `difference` names before it only counts them."""


@dataclass(frozen=True, slots=True)
class Removal:
    """An instance that received requests until now."""

    endpoint: Endpoint
    cause: str
    """One of `CAUSES`."""
    reason: str
    """As text: `critical: Service 'web' check: connection refused`."""


def removals(before: Snapshot | None, after: Snapshot) -> list[Removal]:
    """Return the instances that are no longer routable, with the reasons."""
    routable = {(e.key, e.authority) for e in after.endpoints}
    addresses = {e.key: e.authority for e in after.endpoints}
    excluded = {x.endpoint.key: x for x in after.excluded}
    removed = []
    for endpoint in before.endpoints if before else ():
        key = endpoint.key
        if (key, endpoint.authority) in routable:
            continue
        if key in addresses:
            removed.append(Removal(endpoint, MOVED, f"moved to {addresses[key]}"))
        elif key in excluded:
            removed.append(Removal(endpoint, excluded[key].cause, excluded[key].reason))
        else:
            removed.append(Removal(endpoint, DEREGISTERED, DEREGISTERED))
    return removed


def new_problems(before: Snapshot | None, after: Snapshot) -> list[Endpoint]:
    """Return the routable instances with invalid settings that `before` did not contain."""
    known = {(e.key, e.problems) for e in before.endpoints} if before else set()
    return [e for e in after.endpoints if e.problems and (e.key, e.problems) not in known]


def difference(before: Snapshot | None, after: Snapshot) -> str:
    """Return what `after` adds, changes and removes, as text: `+web-3 ~web-1 -web-2`."""
    old = {e.key: e for e in before.endpoints} if before else {}
    new = {e.key: e for e in after.endpoints}
    words = [f"+{e.id}" for key, e in new.items() if key not in old]
    words += [f"~{e.id}" for key, e in new.items() if key in old and old[key] != e]
    words += [f"-{e.id}" for key, e in old.items() if key not in new]
    if not words:
        return "no change to routable instances" if new else "no routable instance"
    return abbreviated(words, most=MAX_NAMED, separator=" ")

"""Why instances get no requests any more: each departure with its cause, for the log and for counting.

By the time that anybody asks why a pool shrank, the registry has forgotten it.
"""

from __future__ import annotations

from dataclasses import dataclass

from pylb.model import Endpoint, Snapshot

DEREGISTERED, MOVED = "deregistered", "moved"
"""Causes that no answer of the registry spells out: it is not listed any more, or at another address."""

CAUSES = (DEREGISTERED, MOVED, "critical", "warning", "node", "maintenance", "duplicate", "invalid", "unfit")
"""All there are: the others are those of `model.Excluded`."""


@dataclass(frozen=True, slots=True)
class Departure:
    """One instance that got requests until now."""

    endpoint: Endpoint
    cause: str
    """Of `CAUSES`."""
    why: str
    """In words: `critical: Service 'web' check: connection refused`."""


def removals(before: Snapshot | None, after: Snapshot) -> list[Departure]:
    """Who of the endpoints before is none any more, and why."""
    present = {(e.key, e.authority) for e in after.endpoints}
    places = {e.key: e.authority for e in after.endpoints}
    excluded = {x.endpoint.key: x for x in after.excluded}
    found = []
    for endpoint in before.endpoints if before else ():
        key = endpoint.key
        if (key, endpoint.authority) in present:
            continue
        if key in places:
            found.append(Departure(endpoint, MOVED, f"moved to {places[key]}"))
        elif key in excluded:
            found.append(Departure(endpoint, excluded[key].cause, excluded[key].reason))
        else:
            found.append(Departure(endpoint, DEREGISTERED, DEREGISTERED))
    return found

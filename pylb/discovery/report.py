"""Reports a pipeline to operators: log lines, and its status for readiness, metrics and the dashboard.

Rule: a condition is logged when it begins or changes, not each time it is seen.
"""

from __future__ import annotations

import logging

from pylb.discovery.difference import new_problems, removals
from pylb.discovery.status import DiscoveryStatus
from pylb.model import Snapshot

log = logging.getLogger("pylb.discovery")

UNREGISTERED = "none is registered yet, or it is registered under another name"
"""The reason why no instance is listed, if the provider gives none."""

MAX_REMOVALS = 10
"""Removed instances that are logged one by one."""


def missing(response: Snapshot, status: DiscoveryStatus) -> None:
    """Report that the registry lists no instance in any state, and why."""
    status.missing = (status.missing or UNREGISTERED) if response.empty else ""
    if status.missing and status.missing != status.missing_reported:
        log.warning("%s: no instance is registered: %s", response.service, status.missing)
    status.missing_reported = status.missing


def delivered(
    before: Snapshot | None, snapshot: Snapshot, cause: str, status: DiscoveryStatus, now: float
) -> None:
    """Report a state that was delivered: new problems, removals, and the cause.

    Args:
        before: the snapshot of the state before.
        snapshot: the snapshot of this state.
        cause: of the change.
        status: receives the figures.
        now: monotonic seconds.
    """
    service, count = snapshot.service, len(snapshot.endpoints)
    for endpoint in new_problems(before, snapshot):
        log.warning("%s: %s: %s", service, endpoint.id, "; ".join(endpoint.problems))
    removed = removals(before, snapshot)
    status.removals.update(removal.cause for removal in removed)
    if removed and not count:
        status.guards["emptied"] += 1
    for removal in removed[:MAX_REMOVALS]:
        name = removal.endpoint.id or removal.endpoint.authority
        log.info("%s: %s receives no more requests: %s", service, name, removal.reason)
    status.undelivered = ""
    status.instances = count
    status.changed = now
    log.info("%s: generation %d, %d routable, %s", service, status.generation, count, cause)


def undelivered(service: str, cause: str, error: Exception, status: DiscoveryStatus) -> None:
    """Report a state that could not be delivered, which is a defect in pylb."""
    status.undelivered = f"{type(error).__name__}: {error}"
    log.error("%s: could not be delivered: %s", service, cause, exc_info=error)


def restored(age: float, status: DiscoveryStatus, now: float) -> None:
    """Report that the snapshot on disk is used. `age`: seconds since the registry confirmed it."""
    status.restored = True
    status.answered = now - age
    status.untrusted_reason = f"restored from disk, confirmed {age:.0f} s before the start"
    log.warning(
        "%s: the registry has not responded; using the instances %s", status.service, status.untrusted_reason
    )

"""Compares the desired registrations with those of the agent, and returns the actions. Pure functions.

No state is kept between calls: a missed event, a rejected call or a lost entry is a difference in the next
comparison.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pylb.registry.registrations import CONTAINER, DIGEST, OWNER, Desired, Registration


@dataclass(frozen=True, slots=True)
class Owned:
    """An entry of the agent with this registrator's owner mark."""

    container: str
    digest: str
    checks: frozenset[str] = frozenset()
    """Ids of its checks."""


@dataclass(frozen=True, slots=True)
class Actions:
    """The calls that make the agent equal to the desired state; registrations come before removals."""

    register: tuple[Registration, ...] = ()
    deregister: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.register or self.deregister)


def owned(services: Mapping[str, Any], checks: Mapping[str, Any], owner: str) -> dict[str, Owned]:
    """Return the entries of an owner.

    Args:
        services: the agent's services, as Consul lists them.
        checks: the agent's checks, as Consul lists them.
        owner: the owner mark.
    """
    by_service: dict[str, set[str]] = {}
    for check_id, check in checks.items():
        by_service.setdefault(check.get("ServiceID") or "", set()).add(check_id)
    found = {}
    for service_id, service in services.items():
        meta = service.get("Meta") or {}
        if meta.get(OWNER) == owner:
            present = frozenset(by_service.get(service_id, ()))
            found[service_id] = Owned(meta.get(CONTAINER, ""), meta.get(DIGEST, ""), present)
    return found


def reconcile(desired: Desired, present: Mapping[str, Owned], *, cleanup: bool = True) -> Actions:
    """Return the actions that make `present` equal to `desired`.

    Args:
        desired: the registrations that should exist.
        present: the entries of the same owner that exist.
        cleanup: whether to remove entries whose container is gone.
    """
    register = tuple(
        each
        for service_id, each in desired.registrations.items()
        if service_id not in present or not _complete(present[service_id], each)
    )
    gone = (
        service_id
        for service_id, each in present.items()
        if service_id not in desired.registrations and each.container not in desired.kept
    )
    return Actions(register, tuple(gone) if cleanup else ())


def without_others(desired: Desired, services: Mapping[str, Any], owner: str) -> Desired:
    """Drop registrations that would replace an entry of another owner; each becomes a problem.

    An entry of the same service is replaced: another registrator, or one for a previous engine, wrote it.

    Args:
        desired: the registrations that should exist.
        services: the agent's services, as Consul lists them.
        owner: the owner mark of the registrations.
    """
    registrations, problems = {}, list(desired.problems)
    for service_id, each in desired.registrations.items():
        holder = services.get(service_id) or {}
        name = holder.get("Service")
        if name in {None, each.definition["Name"]} or (holder.get("Meta") or {}).get(OWNER) == owner:
            registrations[service_id] = each
        else:
            problems.append(
                f"container {each.container}: another program registered the id {service_id!r} for {name!r}"
            )
    return replace(desired, registrations=registrations, problems=tuple(problems))


def _complete(present: Owned, wanted: Registration) -> bool:
    """Report whether an entry equals the registration; a check can be lost while its service remains."""
    return present.digest == wanted.digest and wanted.checks <= present.checks

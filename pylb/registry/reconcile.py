"""From what the registry should hold and what it holds to what must be done: a pure function.

Nothing is remembered between two calls. Whatever was missed, refused or lost in between shows up as a
difference again, and is done then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pylb.registry.registrations import CONTAINER, DIGEST, OWNER, Desired, Registration


@dataclass(frozen=True, slots=True)
class Owned:
    """An entry of the registry that is the registrator's own."""

    container: str
    digest: str
    checks: frozenset[str] = frozenset()
    """The ids of the checks that it has."""


@dataclass(frozen=True, slots=True)
class Actions:
    """What makes the registry right, in this order: what is new comes before what is old goes."""

    register: tuple[Registration, ...] = ()
    deregister: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.register or self.deregister)


def owned(services: Mapping[str, Any], checks: Mapping[str, Any], owner: str) -> dict[str, Owned]:
    """Pick out of an agent's services and checks, as Consul lists them, what this owner registered."""
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
    """Compare.

    Args:
        desired: what should be registered.
        present: what is, of the same owner.
        cleanup: whether entries are removed whose container is gone.
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
    """Leave out what would replace somebody else's entry; each is a problem.

    An entry of the same service is taken over: another registrator, or one for a former engine, made it.

    Args:
        desired: what should be registered.
        services: an agent's services, as Consul lists them.
        owner: who registers.
    """
    registrations, problems = {}, list(desired.problems)
    for service_id, each in desired.registrations.items():
        holder = services.get(service_id) or {}
        name = holder.get("Service")
        if name in {None, each.definition["Name"]} or (holder.get("Meta") or {}).get(OWNER) == owner:
            registrations[service_id] = each
        else:
            problems.append(
                f"container {each.container}: somebody else has registered the id {service_id!r} for {name!r}"
            )
    return replace(desired, registrations=registrations, problems=tuple(problems))


def _complete(present: Owned, wanted: Registration) -> bool:
    """Whether an entry is what it should be; a check may have been removed while its service stayed."""
    return present.digest == wanted.digest and wanted.checks <= present.checks

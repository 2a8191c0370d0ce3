"""Computes the desired registrations from the containers of an engine. Pure functions.

The conventions are those of registrator; docs/registrator.md has a row for each.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from pylb.clients.inventory import Unread
from pylb.clients.path import MAX_QUOTED, check_segment
from pylb.containers.container import SHORT, Container
from pylb.containers.conventions import Metadata, metadata, registered_ports, service_name, split_tags
from pylb.containers.port import Port
from pylb.registry.checks import Definition, requested_check
from pylb.registry.place import Rules, place

OWNER, CONTAINER, DIGEST = "pylb-owner", "pylb-container", "pylb-digest"
"""Keys in a registration's Meta: its owner, its container, and the digest of its definition."""
HEALTH_TTL = "24h"
"""TTL of the check that mirrors Docker's health status. It is long because a service does not fail when the
registrator is absent."""
MIN_DEREGISTER_AFTER = 60
"""Seconds; Consul accepts no shorter time."""
HEALTH = {"healthy": "passing", "unhealthy": "critical", "starting": "critical"}
LOCAL = "127.0.0.1"
"""Address at which Consul's agent checks a port that is published on all addresses of its machine."""
SPECIAL = frozenset({"name", "tags", "id", "ignore", "lb_weight", "lb_weight_warning"})
"""Keys with a separate field in a registration, which are not copied to Meta."""
REGISTER_LABEL = "SERVICE_REGISTER"
META_KEY = re.compile(r"(?!consul-)[A-Za-z0-9_-]{1,128}")
"""Keys that Consul accepts; it reserves the prefix `consul-`."""
MAX_META_VALUE = 512
MAX_ID = 255
"""Characters; Consul has no limit."""
MAX_META = 61
"""Pairs from a container; Consul accepts 64, and the registrator adds three."""


@dataclass(frozen=True, slots=True)
class Report:
    """A status and an output for a TTL check."""

    check_id: str
    status: str
    output: str


@dataclass(frozen=True, slots=True)
class Registration:
    """One entry of the registry."""

    id: str
    container: str
    """Short id."""
    definition: dict[str, Any]
    """The body of the `register` call, without the statuses of checks, which change while it stays the
    same."""
    reports: tuple[Report, ...] = ()

    @property
    def digest(self) -> str:
        """Digest of the definition; equal for equal definitions."""
        return self.definition["Meta"][DIGEST]  # type: ignore[no-any-return]

    @property
    def checks(self) -> frozenset[str]:
        """The ids of its checks."""
        return frozenset(check["CheckID"] for check in self.definition["Checks"])

    def payload(self) -> dict[str, Any]:
        """Return the definition with the current statuses of its TTL checks; none starts as critical."""
        states = {r.check_id: r for r in self.reports}
        checks = [
            {**check, "Status": states[check["CheckID"]].status} if check["CheckID"] in states else check
            for check in self.definition["Checks"]
        ]
        return {**self.definition, "Checks": checks}


@dataclass(frozen=True, slots=True)
class Desired:
    """The registrations that should exist."""

    registrations: dict[str, Registration]
    """By id."""
    kept: frozenset[str] = frozenset()
    """Short ids of containers whose entries are kept although no running container is known."""
    unread: frozenset[str] = frozenset()
    """The subset of `kept` that may be running; their entries are still confirmed."""
    problems: tuple[str, ...] = ()
    """Settings that cannot be used, one sentence each; the other settings are used."""


def desired(
    containers: Sequence[Container],
    rules: Rules,
    stopping: Collection[str] = frozenset(),
    unread: Sequence[Unread] = (),
) -> Desired:
    """Compute the registrations that should exist.

    Args:
        containers: all containers of the engine, oldest first; of two with the same service id, the older
            has it.
        rules: how to register.
        stopping: ids of containers that received their stop signal; they are not registered.
        unread: containers that could not be inspected; their entries are kept.
    """
    registrations: dict[str, Registration] = {}
    problems = [f"{each.name}: {each.problem}" for each in unread]
    for container in containers:
        if not _registered(container, rules) or container.id in stopping:
            continue
        problems += (f"{container.name}: {problem}" for problem in container.problems)
        for port in registered_ports(container, internal=rules.internal):
            made = _registration(container, port, rules, problems)
            if made is None:
                continue
            rival = registrations.setdefault(made.id, made)
            if rival is not made:
                problems.append(
                    f"{container.name}: the id {made.id!r} is already used by container {rival.container}"
                )
    kept = {c.short_id for c in containers if rules.keep_failed and _failed(c)}
    unknown = frozenset(each.id[:SHORT] for each in unread)
    return Desired(registrations, unknown | kept, unknown, tuple(problems))


def _registered(container: Container, rules: Rules) -> bool:
    """Report whether a container accepts requests; a paused or one-off container does not."""
    wanted = not rules.require_label or dict(container.labels).get(REGISTER_LABEL)
    return bool(wanted) and container.running and not container.paused and not container.one_off


def _failed(container: Container) -> bool:
    """Report whether a container exited with an error; above 128, a signal ended it (registrator's rule)."""
    return not container.running and container.exit_code != 0 and not container.exit_code & 128


def _registration(container: Container, port: Port, rules: Rules, problems: list[str]) -> Registration | None:
    name = service_name(container, port, internal=rules.internal, explicit=rules.explicit)
    if not name:
        return None
    settings = metadata(container, port)
    try:
        address, number = place(container, port, rules)
    except ValueError as error:
        problems.append(f"{container.name}: {error}")
        return None
    service_id = settings.get("id") or _id(container, port, rules)
    if unusable := _unusable(service_id, name):
        problems.append(f"{container.name}: {unusable}")
        return None
    checks = list(_checks(container, port, rules, settings, (service_id, address, number)))
    complaints: list[str] = []
    definition: dict[str, Any] = {
        "ID": service_id,
        "Name": name,
        "Address": address,
        "Port": number,
        "Tags": [
            *split_tags(settings.get("tags")),
            *rules.tags,
            *(["udp"] if port.protocol == "udp" else []),
        ],
        "Weights": _weights(settings, complaints),
        "Checks": [check for check, _ in checks],
        "Meta": _meta(settings, complaints),
    }
    problems += [f"{container.name}: {complaint}" for complaint in complaints]
    definition["Meta"] |= {OWNER: rules.owner, CONTAINER: container.short_id}
    definition["Meta"][DIGEST] = digest(definition)
    return Registration(
        service_id, container.short_id, definition, tuple(report for _, report in checks if report)
    )


def digest(definition: dict[str, Any]) -> str:
    """Return a digest that is equal for equal definitions."""
    return hashlib.sha256(orjson.dumps(definition, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def _id(container: Container, port: Port, rules: Rules) -> str:
    made = f"{rules.hostname}:{container.name}:{port.number}"
    return f"{made}:udp" if port.protocol == "udp" else made


def _unusable(service_id: str, name: str) -> str:
    """Return why the id or the name cannot be used in Consul's API; empty if both can.

    Both are part of the paths of calls. Other programs may write an id into a path without encoding it.
    """
    try:
        check_segment(name)
    except ValueError:
        return (
            f"the name {name[:MAX_QUOTED]!r} is refused: expected no control characters and no dot segments"
        )
    try:
        if "/" in check_segment(service_id) or len(service_id) > MAX_ID:
            raise ValueError
    except ValueError:
        expected = f"at most {MAX_ID} characters, no slashes, no control characters and no dot segments"
        return f"the id {service_id[:MAX_QUOTED]!r} is refused: expected {expected}"
    return ""


def _checks(
    container: Container, port: Port, rules: Rules, settings: Metadata, service: tuple[str, str, int]
) -> Iterator[tuple[Definition, Report | None]]:
    """Yield the requested check, the mirror of the HEALTHCHECK, and the confirmation of `Rules.ttl`."""
    service_id, address, number = service
    requested = requested_check(
        dict(settings.values),
        address=address or LOCAL,
        port=number,
        container=container.short_id,
        inside=port.number,
    )
    if requested:
        yield {"CheckID": f"service:{service_id}", "Name": f"Service {service_id}", **requested}, None
    if container.health:
        check_id = f"docker:{service_id}"
        status = HEALTH.get(container.health, "critical")
        if container.health == "starting":
            status = settings.get("check_initial_status") or status
        words = f"Docker reports {container.health}"
        output = f"{words}: {container.health_output}" if container.health_output else words
        yield (
            {"CheckID": check_id, "Name": "Docker HEALTHCHECK", "TTL": HEALTH_TTL},
            Report(check_id, status, output),
        )
    if rules.ttl:
        after = max(MIN_DEREGISTER_AFTER, rules.ttl)
        confirmed = confirmation(service_id, f"container {container.short_id} runs")
        yield (
            {
                "CheckID": confirmed.check_id,
                "Name": "Confirmed by the registrator",
                "TTL": f"{rules.ttl:g}s",
                "DeregisterCriticalServiceAfter": f"{after:g}s",
            },
            confirmed,
        )


def confirmation(service_id: str, words: str) -> Report:
    """Return the report that confirms the check of `Rules.ttl`."""
    return Report(f"registrator:{service_id}", "passing", words)


def _weights(settings: Metadata, complaints: list[str]) -> dict[str, int]:
    weights = {}
    for key, kind in (("lb_weight", "Passing"), ("lb_weight_warning", "Warning")):
        try:
            weights[kind] = settings.weight(key)
        except ValueError as error:
            complaints.append(str(error))
            weights[kind] = 1
    return weights


def _meta(settings: Metadata, complaints: list[str]) -> dict[str, str]:
    """Return the settings without a separate field; settings that Consul rejects are skipped."""
    meta: dict[str, str] = {}
    for key, value in settings.values:
        if key in SPECIAL:
            continue
        too_long = len(value.encode()) > MAX_META_VALUE
        if not META_KEY.fullmatch(key) or too_long or len(meta) == MAX_META:
            complaints.append(
                f"SERVICE_{key[:MAX_QUOTED].upper()} is skipped: expected at most {MAX_META} names of "
                f"letters, digits, - and _ with values of up to {MAX_META_VALUE} bytes"
            )
        else:
            meta[key] = value
    return meta

"""From the containers that run to the entries that the registry should hold: a pure function.

The conventions are registrator's, one row each in docs/registrator.md.
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
from pylb.registry.checks import Definition, asked_check
from pylb.registry.place import Rules, place

OWNER, CONTAINER, DIGEST = "pylb-owner", "pylb-container", "pylb-digest"
"""What a registration says of itself in its Meta: whose it is, of which container, and what all of it was."""
HEALTH_TTL = "24h"
"""For the check that repeats what Docker says: that the registrator is away proves nothing of a service."""
MIN_DEREGISTER_AFTER = 60
"""Seconds; Consul takes no less."""
HEALTH = {"healthy": "passing", "unhealthy": "critical", "starting": "critical"}
LOCAL = "127.0.0.1"
"""Where Consul's agent checks a port that is published on all addresses of its own machine."""
SPECIAL = frozenset({"name", "tags", "id", "ignore", "lb_weight", "lb_weight_warning"})
"""What does not go to Meta, because it has a place of its own."""
REGISTER_LABEL = "SERVICE_REGISTER"
META_KEY = re.compile(r"(?!consul-)[A-Za-z0-9_-]{1,128}")
"""What Consul takes; it keeps `consul-` to itself."""
MAX_META_VALUE = 512
MAX_ID = 255
"""Characters; Consul has no limit of its own."""
MAX_META = 61
"""Pairs; Consul takes 64, three are ours."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a TTL check is to be told."""

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
    """As Consul takes it, without what changes by itself."""
    reports: tuple[Report, ...] = ()

    @property
    def digest(self) -> str:
        """Equal for equal definitions."""
        return self.definition["Meta"][DIGEST]  # type: ignore[no-any-return]

    @property
    def checks(self) -> frozenset[str]:
        """The ids of its checks."""
        return frozenset(check["CheckID"] for check in self.definition["Checks"])

    def payload(self) -> dict[str, Any]:
        """The definition with its TTL checks as they stand now, so that none begins as critical."""
        states = {r.check_id: r for r in self.reports}
        checks = [
            {**check, "Status": states[check["CheckID"]].status} if check["CheckID"] in states else check
            for check in self.definition["Checks"]
        ]
        return {**self.definition, "Checks": checks}


@dataclass(frozen=True, slots=True)
class Desired:
    """What the registry should hold."""

    registrations: dict[str, Registration]
    """By id."""
    kept: frozenset[str] = frozenset()
    """Short ids of containers whose entries stay as they are, although nothing is known to run."""
    unread: frozenset[str] = frozenset()
    """Those of them that may run, so that their entries are confirmed all the same."""
    problems: tuple[str, ...] = ()
    """What a container says that cannot be used, one sentence each; it is left out, the rest counts."""


def desired(
    containers: Sequence[Container],
    rules: Rules,
    stopping: Collection[str] = frozenset(),
    unread: Sequence[Unread] = (),
) -> Desired:
    """Decide what should be registered.

    Args:
        containers: all of the engine's, the oldest first; of two that claim one id, the older has it.
        rules: how.
        stopping: ids of containers that have been told to stop and need not be asked any more.
        unread: containers of which nothing is known; their entries stay.
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
                    f"{container.name}: the id {made.id!r} is that of container {rival.container}"
                )
    kept = {c.short_id for c in containers if rules.keep_failed and _failed(c)}
    unknown = frozenset(each.id[:SHORT] for each in unread)
    return Desired(registrations, unknown | kept, unknown, tuple(problems))


def _registered(container: Container, rules: Rules) -> bool:
    """Whether it takes requests: one that is paused does not, nor one that runs a single command."""
    wanted = not rules.require_label or dict(container.labels).get(REGISTER_LABEL)
    return bool(wanted) and container.running and not container.paused and not container.one_off


def _failed(container: Container) -> bool:
    """Whether it ended by itself with an error; above 128, a signal ended it (registrator's rule)."""
    return not container.running and container.exit_code != 0 and not container.exit_code & 128


def _registration(container: Container, port: Port, rules: Rules, problems: list[str]) -> Registration | None:
    name = service_name(container, port, internal=rules.internal, explicit=rules.explicit)
    if not name:
        return None
    said = metadata(container, port)
    try:
        address, number = place(container, port, rules)
    except ValueError as error:
        problems.append(f"{container.name}: {error}")
        return None
    service_id = said.get("id") or _id(container, port, rules)
    if unusable := _unusable(service_id, name):
        problems.append(f"{container.name}: {unusable}")
        return None
    checks = list(_checks(container, port, rules, said, (service_id, address, number)))
    complaints: list[str] = []
    definition: dict[str, Any] = {
        "ID": service_id,
        "Name": name,
        "Address": address,
        "Port": number,
        "Tags": [*split_tags(said.get("tags")), *rules.tags, *(["udp"] if port.protocol == "udp" else [])],
        "Weights": _weights(said, complaints),
        "Checks": [check for check, _ in checks],
        "Meta": _meta(said, complaints),
    }
    problems += [f"{container.name}: {complaint}" for complaint in complaints]
    definition["Meta"] |= {OWNER: rules.owner, CONTAINER: container.short_id}
    definition["Meta"][DIGEST] = digest(definition)
    return Registration(
        service_id, container.short_id, definition, tuple(report for _, report in checks if report)
    )


def digest(definition: dict[str, Any]) -> str:
    """A short name for exactly this definition."""
    return hashlib.sha256(orjson.dumps(definition, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def _id(container: Container, port: Port, rules: Rules) -> str:
    made = f"{rules.hostname}:{container.name}:{port.number}"
    return f"{made}:udp" if port.protocol == "udp" else made


def _unusable(service_id: str, name: str) -> str:
    """Why Consul's API cannot be asked about such a service; empty if it can.

    Both are written into the paths of calls, an id also by other programs that do not encode it.
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
    container: Container, port: Port, rules: Rules, said: Metadata, service: tuple[str, str, int]
) -> Iterator[tuple[Definition, Report | None]]:
    """The check that the container asks for, the one of its image, and the registrator's own."""
    service_id, address, number = service
    asked = asked_check(
        dict(said.values),
        address=address or LOCAL,
        port=number,
        container=container.short_id,
        inside=port.number,
    )
    if asked:
        yield {"CheckID": f"service:{service_id}", "Name": f"Service {service_id}", **asked}, None
    if container.health:
        check_id = f"docker:{service_id}"
        status = HEALTH.get(container.health, "critical")
        if container.health == "starting":
            status = said.get("check_initial_status") or status
        words = f"Docker says {container.health}"
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
    """What the check of `Rules.ttl` is told, again and again."""
    return Report(f"registrator:{service_id}", "passing", words)


def _weights(said: Metadata, complaints: list[str]) -> dict[str, int]:
    weights = {}
    for key, kind in (("lb_weight", "Passing"), ("lb_weight_warning", "Warning")):
        try:
            weights[kind] = said.weight(key)
        except ValueError as error:
            complaints.append(str(error))
            weights[kind] = 1
    return weights


def _meta(said: Metadata, complaints: list[str]) -> dict[str, str]:
    """Everything without a meaning of its own; what Consul would refuse is left out, not the service."""
    meta: dict[str, str] = {}
    for key, value in said.values:
        if key in SPECIAL:
            continue
        too_long = len(value.encode()) > MAX_META_VALUE
        if not META_KEY.fullmatch(key) or too_long or len(meta) == MAX_META:
            complaints.append(
                f"SERVICE_{key[:MAX_QUOTED].upper()} is left out: expected at most {MAX_META} names of "
                f"letters, digits, - and _ with values of up to {MAX_META_VALUE} bytes"
            )
        else:
            meta[key] = value
    return meta

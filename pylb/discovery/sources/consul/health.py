"""Translates Consul's health answers to endpoints, one instance at a time.

Rules: pure functions. An instance that cannot be parsed is excluded with the reason and does not affect the
others: in fabio, one bad tag froze all routes (issue 282).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pylb.config.hosts import check_host, check_port
from pylb.discovery.sources.settings import read_settings
from pylb.model import Endpoint, Excluded

SEVERITY = {"passing": 0, "warning": 1, "critical": 2, "maintenance": 3}
"""The status of an instance is that of its worst check; maintenance, which Consul stores as a check, is above
all others."""
NODE_MAINTENANCE = "_node_maintenance"
SERVICE_MAINTENANCE = "_service_maintenance:"
MAX_WEIGHT = 65535
"""The maximum that Consul accepts (`structs.ValidateWeights`)."""
ZONE = "zone"
"""The key in a node's metadata that names its zone; `lb_zone` of the instance takes precedence."""
MAX_REASON = 160
"""Characters of a reason, which quotes the output of a check."""


@dataclass(frozen=True, slots=True)
class CheckSummary:
    """The worst status of an instance's checks, with the reason."""

    status: str = "passing"
    reason: str = ""
    of_node: bool = False
    """Whether the worst check is one of the node."""

    @property
    def cause(self) -> str:
        """See `Excluded.cause`."""
        return "node" if self.of_node and self.status != "maintenance" else self.status


Parsed = tuple[Endpoint, CheckSummary]
"""The result for one instance."""
Parser = Callable[[str, Any], Parsed]
"""Parses an element of the array; see `parse_instance`."""


def parse_instance(service: str, item: Any) -> Parsed:
    """Translate one element of the array.

    The address is the service's own or, if that is empty, its node's. The weight is the one for the
    present status (`Weights.Passing`, `Weights.Warning`).

    Raises:
        ValueError: a value is missing or has another form than Consul documents.
    """
    if not isinstance(item, dict):
        raise ValueError(f"expected an object, got {item!r}"[:MAX_REASON])
    described = _get(item, "Service", dict, {})
    checks = _get(item, "Checks", list, [])
    node = _get(item, "Node", dict, {})
    summary = summarize(checks)
    weights = _get(described, "Weights", dict, {})
    weight = _get(weights, "Warning" if summary.status == "warning" else "Passing", int, 1)
    if not 0 <= weight <= MAX_WEIGHT:
        raise ValueError(f"expected a weight from 0 to {MAX_WEIGHT}, got {weight}")
    meta = _get(described, "Meta", dict, {})
    tags = tuple(map(str, _get(described, "Tags", list, [])))
    settings = read_settings(meta, tags)
    if settings.unusable:
        raise ValueError(settings.unusable)
    endpoint = Endpoint(
        service=service,
        address=check_host(_get(described, "Address", str, "") or _get(node, "Address", str, "")),
        port=check_port(_get(described, "Port", int, 0)),
        dc=_get(node, "Datacenter", str, ""),
        node=_get(node, "Node", str, ""),
        id=_get(described, "ID", str, ""),
        weight=weight * settings.weight,
        priority=settings.priority,
        zone=settings.zone or str(_get(node, "Meta", dict, {}).get(ZONE) or ""),
        status=summary.status,
        tags=tags,
        meta=tuple(sorted((str(k), str(v)) for k, v in meta.items())),
        created=_get(described, "CreateIndex", int, 0),
        max_conn=settings.max_conn,
        probe=settings.probe,
        slow_start=settings.slow_start,
        tls=settings.tls,
        tls_name=settings.tls_name,
        protocol=settings.protocol,
        problems=settings.problems,
        has_checks=any(c.get("ServiceID") and not _is_maintenance(c) for c in checks),
    )
    return endpoint, summary


def parse_instances(
    service: str, items: Sequence[Any], *, include_warning: bool = False, parse: Parser = parse_instance
) -> tuple[tuple[Endpoint, ...], tuple[Excluded, ...]]:
    """Translate the JSON array of `/v1/health/service/NAME`.

    Args:
        service: the name of the service.
        items: the array.
        include_warning: whether instances with the status `warning` are routable.
        parse: translates one element.

    Returns:
        The routable instances, and the others with the reasons; both in a stable order.
    """
    endpoints: list[Endpoint] = []
    excluded: list[Excluded] = []
    for position, item in enumerate(items):
        try:
            endpoint, summary = parse(service, item)
        except ValueError as error:
            excluded.append(Excluded(_invalid(service, item, position), f"invalid: {error}", cause="invalid"))
            continue
        if summary.status == "passing" or (summary.status == "warning" and include_warning):
            endpoints.append(endpoint)
        else:
            excluded.append(Excluded(endpoint, summary.reason, cause=summary.cause))
    endpoints, excluded = collapse(endpoints, excluded)
    return (
        tuple(sorted(endpoints, key=lambda e: e.key)),
        tuple(sorted(excluded, key=lambda e: e.endpoint.key)),
    )


def summarize(checks: Sequence[Any]) -> CheckSummary:
    """Summarize the checks of an instance; those of its node, such as `serfHealth`, count too.

    Raises:
        ValueError: a check is not an object.
    """
    worst, status = None, "passing"
    for check in checks:
        if not isinstance(check, dict):
            raise ValueError(f"Checks: expected objects, got {check!r}")
        found = "maintenance" if _is_maintenance(check) else _get(check, "Status", str, "critical")
        if SEVERITY.get(found, SEVERITY["critical"]) > SEVERITY[status]:
            worst, status = check, found if found in SEVERITY else "critical"
    if worst is None:
        return CheckSummary()
    if status == "maintenance":
        return CheckSummary(status, _words(status, worst.get("Notes")))
    words = _words(status, worst.get("Name"), worst.get("Output"))
    return CheckSummary(status, words, of_node=not worst.get("ServiceID"))


def collapse(
    endpoints: Sequence[Endpoint], excluded: Sequence[Excluded]
) -> tuple[list[Endpoint], list[Excluded]]:
    """Keep one instance per address and port; exclude the others as duplicates.

    A registrator that is recreated under another host name leaves its old registrations behind, and their
    checks pass for ever (registrator issue 586). The newest registration is used. A newer one that is still
    critical does not replace an older one that passes, because both describe the same listener.
    """
    claims: dict[tuple[str, int], list[Endpoint]] = {}
    for endpoint in [*endpoints, *(e.endpoint for e in excluded if e.endpoint.status == "maintenance")]:
        claims.setdefault((endpoint.address, endpoint.port), []).append(endpoint)
    kept, rest = [], list(excluded)
    for endpoint in endpoints:
        rivals = claims[endpoint.address, endpoint.port]
        newest = max(rivals, key=lambda e: (e.created, e.key)) if len(rivals) > 1 else endpoint
        if newest is endpoint:
            kept.append(endpoint)
        else:
            rest.append(
                Excluded(endpoint, f"duplicate of {newest.id} at {newest.authority}", cause="duplicate")
            )
    return kept, rest


def _is_maintenance(check: Mapping[str, Any]) -> bool:
    name = str(check.get("CheckID", ""))
    return name == NODE_MAINTENANCE or name.startswith(SERVICE_MAINTENANCE)


def _words(*parts: object) -> str:
    """Join the first lines of the given parts: `critical: tcp 10.0.0.1:80: connection refused`."""
    lines = [str(part).strip().partition("\n")[0] for part in parts if part]
    return ": ".join(line for line in lines if line)[:MAX_REASON]


def _get(mapping: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    """Return a member of the expected type; the default if it is absent or null."""
    value = mapping.get(name)
    if value is None:
        return default
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{name}: expected {kind.__name__}, got {value!r}"[:MAX_REASON])
    return value


def _invalid(service: str, item: Any, position: int) -> Endpoint:
    """Describe an instance that cannot be parsed as far as possible."""
    sections = item if isinstance(item, dict) else {}
    service_part, node_part = (
        part if isinstance(part := sections.get(name), dict) else {} for name in ("Service", "Node")
    )
    return Endpoint(
        service,
        address="",
        port=0,
        dc=str(node_part.get("Datacenter") or ""),
        node=str(node_part.get("Node") or ""),
        id=str(service_part.get("ID") or f"#{position}"),
        status="critical",
    )

"""The health check that a container asks for with `SERVICE_CHECK_*`, as Consul wants it defined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pylb.model import authority

INTERVAL = "10s"
"""Between two runs, where the container does not say: registrator's default."""

Definition = dict[str, Any]


def asked_check(
    said: Mapping[str, str], *, address: str, port: int, container: str, inside: int
) -> Definition | None:
    """Translate what a container says into one check; of several kinds, the first in `KINDS` counts.

    Args:
        said: its metadata, keys in lower case without `SERVICE_`.
        address: where the service listens, as seen by Consul's agent.
        port: the same.
        container: its short id, for commands that run in it.
        inside: the port inside the container.

    Returns:
        None if it asks for none.
    """
    kind = next((kind for kind in KINDS if said.get(f"check_{kind}")), None)
    if kind is None:
        return None
    check = KINDS[kind](said[f"check_{kind}"], Place(address, port, container, inside), said)
    if "TTL" not in check:
        check["Interval"] = said.get("check_interval") or INTERVAL
        if timeout := said.get("check_timeout"):
            check["Timeout"] = timeout
    if status := said.get("check_initial_status"):
        check["Status"] = status
    if after := said.get("check_deregister_after"):
        check["DeregisterCriticalServiceAfter"] = after
    return check


class Place:
    """Where a check looks."""

    def __init__(self, address: str, port: int, container: str, inside: int) -> None:
        self.address = address
        self.port = port
        self.container = container
        self.inside = inside
        self.authority = authority(address, port)


def _http(scheme: str) -> Callable[[str, Place, Mapping[str, str]], Definition]:
    def define(path: str, place: Place, said: Mapping[str, str]) -> Definition:
        check: Definition = {"HTTP": f"{scheme}://{place.authority}{path}"}
        if method := said.get(f"check_{scheme}_method"):
            check["Method"] = method
        if said.get("check_tls_skip_verify"):
            check["TLSSkipVerify"] = True
        return check

    return define


def _command(command: str, place: Place, _: Mapping[str, str]) -> Definition:
    return {"Args": ["check-cmd", place.container, str(place.inside), command]}


def _script(script: str, place: Place, _: Mapping[str, str]) -> Definition:
    script = script.replace("$SERVICE_IP", place.address).replace("$SERVICE_PORT", str(place.port))
    return {"Args": ["/bin/sh", "-c", script]}


def _ttl(duration: str, _: Place, __: Mapping[str, str]) -> Definition:
    return {"TTL": duration}


def _tcp(_: str, place: Place, __: Mapping[str, str]) -> Definition:
    return {"TCP": place.authority}


def _grpc(_: str, place: Place, said: Mapping[str, str]) -> Definition:
    check: Definition = {"GRPC": place.authority}
    if said.get("check_grpc_use_tls"):
        check["GRPCUseTLS"] = True
        if said.get("check_tls_skip_verify"):
            check["TLSSkipVerify"] = True
    return check


KINDS: dict[str, Callable[[str, Place, Mapping[str, str]], Definition]] = {
    "http": _http("http"),
    "https": _http("https"),
    "cmd": _command,
    "script": _script,
    "ttl": _ttl,
    "tcp": _tcp,
    "grpc": _grpc,
}
"""In registrator's order. CMD runs registrator's `check-cmd` and SCRIPT a shell, both on the agent's machine;
Consul refuses them unless it was started with `-enable-local-script-checks`."""

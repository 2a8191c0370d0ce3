"""Translates `SERVICE_CHECK_*` of a container into the definition of a Consul check. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pylb.model import authority

INTERVAL = "10s"
"""Interval of a check without `SERVICE_CHECK_INTERVAL`; registrator's default."""

Definition = dict[str, Any]


def requested_check(
    settings: Mapping[str, str], *, address: str, port: int, container: str, inside: int
) -> Definition | None:
    """Make the check that a container requests; of several kinds, the first in `KINDS` is used.

    Args:
        settings: the container's metadata; keys in lower case without `SERVICE_`.
        address: the address that Consul's agent connects to.
        port: the port that Consul's agent connects to.
        container: the container's short id, for commands that run in it.
        inside: the port inside the container.

    Returns:
        The definition; None if the container requests no check.
    """
    kind = next((kind for kind in KINDS if settings.get(f"check_{kind}")), None)
    if kind is None:
        return None
    check = KINDS[kind](settings[f"check_{kind}"], Place(address, port, container, inside), settings)
    if "TTL" not in check:
        check["Interval"] = settings.get("check_interval") or INTERVAL
        if timeout := settings.get("check_timeout"):
            check["Timeout"] = timeout
    if status := settings.get("check_initial_status"):
        check["Status"] = status
    if after := settings.get("check_deregister_after"):
        check["DeregisterCriticalServiceAfter"] = after
    return check


class Place:
    """The address, port and container that a check refers to."""

    def __init__(self, address: str, port: int, container: str, inside: int) -> None:
        self.address = address
        self.port = port
        self.container = container
        self.inside = inside
        self.authority = authority(address, port)


def _http(scheme: str) -> Callable[[str, Place, Mapping[str, str]], Definition]:
    def define(path: str, place: Place, settings: Mapping[str, str]) -> Definition:
        check: Definition = {"HTTP": f"{scheme}://{place.authority}{path}"}
        if method := settings.get(f"check_{scheme}_method"):
            check["Method"] = method
        if settings.get("check_tls_skip_verify"):
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


def _grpc(_: str, place: Place, settings: Mapping[str, str]) -> Definition:
    check: Definition = {"GRPC": place.authority}
    if settings.get("check_grpc_use_tls"):
        check["GRPCUseTLS"] = True
        if settings.get("check_tls_skip_verify"):
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
"""Kinds of check, in registrator's order of precedence. CMD runs registrator's `check-cmd` and SCRIPT a
shell, both on the agent's machine; Consul rejects them unless it was started with
`-enable-local-script-checks`."""

"""Definitions of services and checks: their JSON form, and the validation of Consul."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pylb.registry.embedded.decoding import (
    DecodeError,
    Kind,
    Shape,
    boolean,
    decode,
    duration,
    integer,
    listing,
    mapping,
    nested,
    string,
    strings,
)

PASSING, WARNING, CRITICAL = "passing", "warning", "critical"
STATUSES = (PASSING, WARNING, CRITICAL)

MAX_WEIGHT = 65535
MAX_META_PAIRS = 64
MAX_META_KEY = 128
MAX_META_VALUE = 512
DEFAULT_OUTPUT_SIZE = 4096


class RequestError(Exception):
    """A request that Consul answers with an error; the message is that of Consul.

    Args:
        text: the body of the answer.
        status: the HTTP status of the answer.
    """

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """A tagged address of a service."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Service:
    """One instance of a service."""

    id: str
    name: str
    tags: tuple[str, ...] = ()
    address: str = ""
    port: int = 0
    meta: Mapping[str, str] = field(default_factory=dict)
    tagged_addresses: Mapping[str, ServiceAddress] = field(default_factory=dict)
    passing_weight: int = 1
    warning_weight: int = 1
    enable_tag_override: bool = False


@dataclass(frozen=True, slots=True)
class CheckDefinition:
    """A check of a service or of the node. Times are in seconds."""

    id: str = ""
    name: str = ""
    notes: str = ""
    status: str = ""
    service_id: str = ""
    ttl: float = 0.0
    http: str = ""
    method: str = ""
    header: Mapping[str, list[str]] = field(default_factory=dict)
    body: str = ""
    tls_skip_verify: bool = False
    tcp: str = ""
    interval: float = 0.0
    timeout: float = 0.0
    success_before_passing: int = 0
    failures_before_critical: int = 0
    output_max_size: int = 0
    deregister_after: float = 0.0
    args: tuple[str, ...] = ()
    unsupported: tuple[str, ...] = ()
    """Names of the requested kinds of check that Consul runs and this registry does not."""

    @property
    def type(self) -> str:
        """Consul's name of the kind of check."""
        return "http" if self.http else "ttl" if self.ttl > 0 else "tcp"

    def validate(self) -> None:
        """Validate the definition.

        Raises:
            RequestError: the check cannot run; the message is Consul's where Consul rejects it too.
        """
        probed = bool(self.http or self.tcp or self.args)
        if self.unsupported:
            expected = "the embedded registry runs TTL, HTTP and TCP checks"
            raise RequestError(f"Invalid check: {expected}, not {', '.join(self.unsupported)}")
        if self.interval > 0 and self.ttl > 0:
            raise RequestError("Invalid check: Interval and TTL cannot both be specified")
        if probed and self.interval <= 0:
            raise RequestError("Invalid check: Interval must be > 0 for Script, HTTP, or TCP checks")
        if not probed and self.ttl <= 0:
            raise RequestError("Invalid check: TTL must be > 0 for TTL checks")
        if self.output_max_size < 0:
            raise RequestError("Invalid check: MaxOutputMaxSize must be positive")
        if self.args:
            raise RequestError(
                "Scripts are disabled on this agent from remote calls; "
                "to enable, configure 'enable_script_checks' to true",
                status=500,
            )


_UNSUPPORTED = ("AliasNode", "AliasService", "DockerContainerID", "GRPC")
_HEADER: Kind = mapping(strings, "map[string][]string")
_CHECK: Shape = {
    "name": ("name", string),
    "notes": ("notes", string),
    "status": ("status", string),
    "ttl": ("ttl", duration),
    "http": ("http", string),
    "method": ("method", string),
    "header": ("header", _HEADER),
    "body": ("body", string),
    "tcp": ("tcp", string),
    "interval": ("interval", duration),
    "timeout": ("timeout", duration),
    "tlsskipverify": ("tls_skip_verify", boolean),
    "tls_skip_verify": ("tls_skip_verify", boolean),
    "successbeforepassing": ("success_before_passing", integer),
    "failuresbeforecritical": ("failures_before_critical", integer),
    "outputmaxsize": ("output_max_size", integer),
    "deregistercriticalserviceafter": ("deregister_after", duration),
    "deregister_critical_service_after": ("deregister_after", duration),
    "args": ("args", strings),
    "script_args": ("args", strings),
    "scriptargs": ("args", strings),
    "serviceid": ("service_id", string),
    "service_id": ("service_id", string),
    "shell": ("shell", string),
    "grpcusetls": ("grpc_use_tls", boolean),
    "docker_container_id": ("DockerContainerID", string),
    **{name.lower(): (name, string) for name in _UNSUPPORTED},
}
_SERVICE_CHECK: Shape = {
    **_CHECK,
    "checkid": ("id", string),
    "proxyhttp": ("proxy_http", string),
    "proxygrpc": ("proxy_grpc", string),
}
_AGENT_CHECK: Shape = {**_CHECK, "id": ("id", string), "token": ("token", string)}
_ADDRESS: Shape = {"address": ("address", string), "port": ("port", integer)}
_ADDRESSES: Kind = mapping(nested(_ADDRESS, "structs.ServiceAddress"), "map[string]structs.ServiceAddress")
_WEIGHTS: Shape = {"passing": ("passing", integer), "warning": ("warning", integer)}
_SERVICE: Shape = {
    "id": ("id", string),
    "name": ("name", string),
    "tags": ("tags", strings),
    "address": ("address", string),
    "port": ("port", integer),
    "meta": ("meta", mapping(string, "map[string]string")),
    "taggedaddresses": ("tagged_addresses", _ADDRESSES),
    "tagged_addresses": ("tagged_addresses", _ADDRESSES),
    "weights": ("weights", nested(_WEIGHTS, "structs.Weights", "Weights.Weights.*")),
    "enabletagoverride": ("enable_tag_override", boolean),
    "enable_tag_override": ("enable_tag_override", boolean),
    "check": ("check", nested(_SERVICE_CHECK, "structs.CheckType")),
    "checks": ("checks", listing(nested(_SERVICE_CHECK, "structs.CheckType"), "structs.CheckTypes")),
    "token": ("token", string),
    "kind": ("kind", string),
    "proxy": ("proxy", nested({}, "structs.ConnectProxyConfig")),
    "connect": ("connect", nested({}, "structs.ServiceConnect")),
}
_UPDATE: Shape = {"status": ("status", string), "output": ("output", string)}


def service_from_json(body: bytes) -> tuple[Service, list[CheckDefinition]]:
    """Decode the body of a `service/register` call.

    Raises:
        RequestError: Consul rejects it, or it requires a service mesh.
    """
    data = _decode(body, _SERVICE)
    name: str = data.get("name", "")
    if not name:
        raise RequestError("Missing service name")
    if data.get("kind"):
        raise RequestError(
            f"Invalid service kind: expected none, as the embedded registry has no mesh; got {data['kind']!r}"
        )
    address: str = data.get("address", "")
    if _is_any(address):
        raise RequestError("Invalid service address")
    weights: dict[str, int] = data.get("weights", {"passing": 1, "warning": 1})
    service = Service(
        id=data.get("id") or name,
        name=name,
        tags=tuple(data.get("tags", ())),
        address=address,
        port=data.get("port", 0),
        meta=data.get("meta", {}),
        tagged_addresses=_tagged_addresses(data.get("tagged_addresses", {}), address, data.get("port", 0)),
        passing_weight=weights.get("passing", 0),
        warning_weight=weights.get("warning", 0),
        enable_tag_override=data.get("enable_tag_override", False),
    )
    _validate_weights(service)
    _validate_meta(service.meta)
    return service, _service_checks(service, data)


def check_from_json(body: bytes) -> CheckDefinition:
    """Decode the body of a `check/register` call.

    Raises:
        RequestError: Consul rejects it.
    """
    data = _decode(body, _AGENT_CHECK)
    if not data.get("name"):
        raise RequestError("Missing check name")
    if data.get("status") and data["status"] not in STATUSES:
        raise RequestError("Bad check status")
    check = _definition(data, id=data.get("id") or data["name"])
    check.validate()
    return check


def update_from_json(body: bytes) -> tuple[str, str]:
    """Decode the body of a `check/update` call: a status and an output.

    Raises:
        RequestError: Consul rejects it.
    """
    data = _decode(body, _UPDATE, "checkUpdate.*", "agent.checkUpdate")
    status = data.get("status", "")
    if status not in STATUSES:
        raise RequestError(f"Invalid check status: '{status}'")
    return status, data.get("output", "")


def _decode(body: bytes, shape: Shape, place: str = ".*", type_name: str = "object") -> dict[str, Any]:
    try:
        return decode(body, shape, place, type_name)
    except DecodeError as error:
        raise RequestError(f"Request decode failed: {error}") from error


def _service_checks(service: Service, data: Mapping[str, Any]) -> list[CheckDefinition]:
    single = data.get("check", {})
    given = [single] * any(single.values()) + data.get("checks", [])
    checks = []
    for number, item in enumerate(given, 1):
        generated = f"service:{service.id}" + (f":{number}" if len(given) > 1 else "")
        check = _definition(
            item,
            id=item.get("id") or generated,
            name=item.get("name") or f"Service '{service.name}' check",
            service_id=service.id,
        )
        check.validate()
        if check.status not in ("", *STATUSES):
            raise RequestError("Status for checks must 'passing', 'warning', 'critical'")
        checks.append(check)
    return checks


def _definition(data: Mapping[str, Any], **derived: str) -> CheckDefinition:
    known = {key: value for key, value in data.items() if key in CheckDefinition.__dataclass_fields__}
    known["args"] = tuple(data.get("args", ()))
    return CheckDefinition(
        **{**known, **derived}, unsupported=tuple(name for name in _UNSUPPORTED if data.get(name))
    )


def _tagged_addresses(
    given: Mapping[str, Mapping[str, Any]], address: str, port: int
) -> dict[str, ServiceAddress]:
    """Return the given addresses, and the service's own IP address under the names of its family."""
    result = {name: ServiceAddress(a.get("address", ""), a.get("port", 0)) for name, a in given.items()}
    if version := _ip_version(address):
        for network in ("lan", "wan"):
            result.setdefault(f"{network}_ipv{version}", ServiceAddress(address, port))
    return dict(sorted(result.items()))


def _ip_version(address: str) -> int:
    try:
        return ipaddress.ip_address(address).version
    except ValueError:
        return 0


def _is_any(address: str) -> bool:
    return bool(_ip_version(address)) and ipaddress.ip_address(address).is_unspecified


def _validate_weights(service: Service) -> None:
    if service.passing_weight < 1:
        raise RequestError("Invalid Weights: Passing must be greater than 0")
    if service.warning_weight < 0:
        raise RequestError("Invalid Weights: Warning must be greater or equal than 0")
    if max(service.passing_weight, service.warning_weight) > MAX_WEIGHT:
        raise RequestError("Invalid Weights: DNS Weight must be between 0 and 65535")


def _validate_meta(meta: Mapping[str, str]) -> None:
    if len(meta) > MAX_META_PAIRS:
        limit = f"Node metadata cannot contain more than {MAX_META_PAIRS} key/value pairs"
        raise RequestError(f"Invalid Service Meta: {limit}")
    for key, value in meta.items():
        if problem := _meta_problem(key, value):
            raise RequestError(
                f"Invalid Service Meta: Couldn't load metadata pair ('{key}', '{value}'): {problem}"
            )


def _meta_problem(key: str, value: str) -> str:
    if not key:
        return "Key cannot be blank"
    if not re.fullmatch(r"[a-zA-Z0-9_-]+", key):
        return "Key contains invalid characters"
    if len(key) > MAX_META_KEY:
        return f"Key is too long (limit: {MAX_META_KEY} characters)"
    if key.startswith("consul-"):
        return "Key prefix 'consul-' is reserved for internal use"
    if len(value) > MAX_META_VALUE:
        return f"Value is too long (limit: {MAX_META_VALUE} characters)"
    return ""

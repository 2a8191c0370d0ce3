"""The immutable values that all layers share.

- `Endpoint`: an instance, as the registry describes it; `Excluded`: one that receives no requests.
- `Snapshot`: the registry's complete description of one service.
- `ProbeVerdict`, `Overlay`: what active probes and operators have decided about an instance.
- `PoolState`: a snapshot with all overlays, numbered: the value that pools and workers receive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Key = tuple[str, str, str]
"""An instance's identity: (datacenter, node, service id). A service id is unique per Consul agent only."""


def authority(host: str, port: int) -> str:
    """`host:port` as in a URL or `Host` header, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One instance of a service, as the registry describes it.

    Equality is by value: a changed weight, tag or address yields a different endpoint with the same key.
    It contains nothing that pylb has found out or that an operator has decided: see `Overlay`. Live state
    (requests in flight, passive health) belongs to `policy.backend.Backend`.
    """

    service: str
    address: str
    """The host name, IPv4 address or IPv6 address (without brackets) that receives requests."""
    port: int
    dc: str = ""
    node: str = ""
    id: str = ""
    weight: int = 1
    """Its share of traffic relative to its peers, for its present status (Consul's `Weights`)."""
    priority: int = 0
    """Its tier: those with the lowest number receive requests while they have enough capacity."""
    zone: str = ""
    """The zone that it runs in, for example an availability zone; empty if unknown."""
    status: str = "passing"
    """The aggregate of its checks: `passing`, `warning`, `critical` or `maintenance`."""
    tags: tuple[str, ...] = ()
    meta: tuple[tuple[str, str], ...] = ()
    max_conn: int | None = None
    """Maximum concurrent requests; 0 for no limit, None for the default of the options."""
    slow_start: float | None = None
    """Seconds of slow start after it is added; None for the default of the options."""
    probe: str | None = None
    """The probe that its registration requests: `tcp`, a path, or empty for none; None for the default of the
    options."""
    tls: bool | None = None
    """Whether connections use TLS; None for the default of the options."""
    tls_name: str = ""
    """The name that its certificate must contain; empty for the default of the options."""
    protocol: str = ""
    """How connections use HTTP: `http1`, `h2` or `auto`; empty for the default of the options."""
    problems: tuple[str, ...] = ()
    """One sentence for each invalid setting of its registration; such settings are ignored."""
    created: int = 0
    """The registry's creation index; if two ids have the same address, the newer one is used."""
    has_checks: bool = True
    """Whether the registry runs any check on it."""

    @property
    def key(self) -> Key:
        """The identity across snapshots, which excludes address and weight."""
        return (self.dc, self.node, self.id)

    @property
    def authority(self) -> str:
        """The address that receives requests, as `host:port`."""
        return authority(self.address, self.port)


@dataclass(frozen=True, slots=True)
class Excluded:
    """An instance that the registry lists but that must receive no traffic, with the reason."""

    endpoint: Endpoint
    reason: str
    """Text for operators: `critical: TCP connect refused`, `maintenance`, `duplicate of web-2`."""
    cause: str = "unfit"
    """The reason in one word, for metrics: `critical`, `warning`, `maintenance` (its own checks), `node` (a
    check of its machine, such as serfHealth), `duplicate`, `invalid`; `unfit` for all others."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The registry's complete description of one service. It replaces the previous snapshot as a whole.

    A snapshot without endpoints means "known to be empty". "Unknown" is never represented by a snapshot.
    """

    service: str
    endpoints: tuple[Endpoint, ...]
    excluded: tuple[Excluded, ...] = ()
    observed: float = 0.0
    """The time at which the registry response was read, in seconds since the epoch."""
    cause: str = ""
    """The response that it was read from, as text: `consul index 42`."""
    untrusted_reason: str = ""
    """Why the snapshot may be incomplete, as text: `filtered by ACLs`. It may add and change instances, but
    does not remove missing ones immediately (see `discovery.guard`)."""

    @property
    def empty(self) -> bool:
        """Whether it lists no instance in any state."""
        return not self.endpoints and not self.excluded

    def same_content(self, other: Snapshot | None) -> bool:
        """Whether both describe the same instances in the same states.

        The comparison ignores time, cause and `untrusted_reason`, and the reasons of excluded instances: they
        quote the output of checks, which may differ in each run (Consul issue 1244).
        """
        return (
            other is not None
            and (self.service, self.endpoints) == (other.service, other.endpoints)
            and [e.endpoint for e in self.excluded] == [e.endpoint for e in other.excluded]
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Snapshot:
        """Return the snapshot that `orjson.dumps` has serialised, after decoding."""
        return cls(**{**data, **_instances(data)})


@dataclass(frozen=True, slots=True)
class ProbeVerdict:
    """The result of active probes of an instance."""

    well: bool
    number: int
    """Increases with each verdict. A new positive verdict supersedes earlier results of requests."""
    unreachable: bool = False
    """Whether no connection to the instance can be opened."""
    why: str = ""
    """The reason of a negative verdict, as text."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """What pylb lays over the registry's description of one instance: probes, overrides, and its distance."""

    probe: str = ""
    """How pylb probes it: `tcp`, or a path; empty if it does not."""
    verdict: ProbeVerdict | None = None
    """The result of these probes; None while there is none."""
    weight: int | None = None
    """The weight that an operator has set; None for the registry's."""
    other_zone: bool = False
    """Whether it runs in another zone than pylb, so that instances in pylb's zone are preferred."""
    restored: bool = False
    """Whether an operator has restored it: failures of its requests and probes are then ignored."""

    @property
    def failed(self) -> bool:
        """Whether its probes fail and no operator has restored it."""
        return self.verdict is not None and not self.verdict.well and not self.restored


PLAIN = Overlay()
"""The overlay of an instance that is not probed and that no operator has changed."""


@dataclass(frozen=True, slots=True)
class PoolState:
    """The complete state of one pool, which pools and workers apply. It replaces the previous one as a whole.

    `discovery.pipeline` makes it: from a snapshot, probe verdicts and overrides.
    """

    service: str
    endpoints: tuple[Endpoint, ...]
    """Instances that may receive requests."""
    excluded: tuple[Excluded, ...] = ()
    """Instances that receive none: excluded by the registry's data or by an operator."""
    generation: int = 0
    """Increases by one with each state of the pool."""
    observed: float = 0.0
    """The time of the registry response, probe or override that changed it, in seconds since the epoch."""
    cause: str = ""
    """The cause of the change, as text: `consul index 42: +web-3`."""
    untrusted_reason: str = ""
    """See `Snapshot`."""
    policy: str = ""
    """The balancing policy that an operator has set; empty for the default of the options."""
    overlays: tuple[tuple[Key, Overlay], ...] = ()
    """By key of an endpoint; an endpoint without one has the overlay `PLAIN`."""
    aborted: tuple[Key, ...] = ()
    """Excluded instances whose requests in flight are aborted, too."""

    def instances(self) -> Iterator[tuple[Endpoint, Overlay]]:
        """Yield the routable instances with their overlays."""
        overlays = dict(self.overlays)
        for endpoint in self.endpoints:
            yield endpoint, overlays.get(endpoint.key, PLAIN)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PoolState:
        """Return the state that `orjson.dumps` has serialised, after decoding."""
        overlays = tuple((_key(key), _overlay(overlay)) for key, overlay in data["overlays"])
        aborted = tuple(map(_key, data["aborted"]))
        return cls(**{**data, **_instances(data), "overlays": overlays, "aborted": aborted})


def _instances(data: Mapping[str, Any]) -> dict[str, Any]:
    """Decode the instances of a snapshot or state."""
    return {
        "endpoints": tuple(map(_endpoint, data["endpoints"])),
        "excluded": tuple(Excluded(**{**e, "endpoint": _endpoint(e["endpoint"])}) for e in data["excluded"]),
    }


def _endpoint(data: Mapping[str, Any]) -> Endpoint:
    lists = {"tags": tuple(data["tags"]), "problems": tuple(data["problems"])}
    return Endpoint(**{**data, **lists, "meta": tuple((k, v) for k, v in data["meta"])})


def _overlay(data: Mapping[str, Any]) -> Overlay:
    verdict = ProbeVerdict(**data["verdict"]) if data["verdict"] else None
    return Overlay(**{**data, "verdict": verdict})


def _key(parts: list[str]) -> Key:
    dc, node, name = parts
    return dc, node, name

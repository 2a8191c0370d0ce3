"""The immutable values that all layers share: endpoints and snapshots, as discovery produces them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Key = tuple[str, str, str]
"""An instance's identity: (datacenter, node, service id). A service id is unique per Consul agent only."""


def authority(host: str, port: int) -> str:
    """`host:port` as in a URL or `Host` header, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class ProbeVerdict:
    """The result of active probes of an instance."""

    well: bool
    number: int
    """Increases with each verdict. A new positive verdict supersedes earlier results of requests."""
    refused: bool = False
    """Whether the instance refuses connections."""
    why: str = ""
    """The reason of a negative verdict, as text."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One instance of a service, as the registry describes it.

    Equality is by value: a changed weight, tag or address yields a different endpoint with the same key.
    Live state (requests in flight, passive health) belongs to `policy.backend.Backend`.
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
    status: str = "passing"
    """The aggregate of its checks: `passing`, `warning`, `critical` or `maintenance`."""
    tags: tuple[str, ...] = ()
    meta: tuple[tuple[str, str], ...] = ()
    max_conn: int | None = None
    """Maximum concurrent requests; 0 for no limit, None for the default of the options."""
    slow_start: float | None = None
    """Seconds of slow start after it is added; None for the default of the options."""
    probe: str | None = None
    """How it is probed: `tcp`, a path, or empty for no probes; None for the default of the options."""
    tls: bool | None = None
    """Whether connections use TLS; None for the default of the options."""
    tls_name: str = ""
    """The name that its certificate must contain; empty for the default of the options."""
    verdict: ProbeVerdict | None = None
    """The result of active probes; None if there is none."""
    problems: tuple[str, ...] = ()
    """One sentence for each invalid setting of its registration; such settings are ignored."""
    created: int = 0
    """The registry's creation index; if two ids have the same address, the newer one is used."""
    checked: bool = True
    """Whether the registry runs any check on it."""
    trusted: bool = False
    """Whether an operator has restored it: failures of its requests and probes are then ignored."""

    @property
    def key(self) -> Key:
        """The identity across snapshots, which excludes address and weight."""
        return (self.dc, self.node, self.id)

    @property
    def failed(self) -> bool:
        """Whether its probes fail and no operator has restored it."""
        return self.verdict is not None and not self.verdict.well and not self.trusted

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
    abandoned: bool = False
    """Whether its requests in flight are aborted, too."""
    cause: str = "unfit"
    """The reason in one word, for metrics: `critical`, `warning`, `maintenance` (its own checks), `node` (a
    check of its machine, such as serfHealth), `duplicate`, `invalid`; `unfit` for all others."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The complete state of one service at one moment. It replaces the previous snapshot as a whole.

    A snapshot without endpoints means "known to be empty". "Unknown" is never represented by a snapshot.
    """

    service: str
    endpoints: tuple[Endpoint, ...]
    excluded: tuple[Excluded, ...] = ()
    generation: int = 0
    """Increases by one with each snapshot that differs; assigned by `discovery`."""
    observed: float = 0.0
    """The time at which the registry response was read, in seconds since the epoch."""
    cause: str = ""
    """The cause of the change, as text: `consul index 42: +web-3`."""
    untrusted_reason: str = ""
    """Why the snapshot may be incomplete, as text: `filtered by ACLs`. It may add and change instances, but
    does not remove missing ones immediately (see `discovery.guard`)."""
    policy: str = ""
    """The balancing policy; empty for the default of the options."""

    @property
    def empty(self) -> bool:
        """Whether it lists no instance in any state."""
        return not self.endpoints and not self.excluded

    def same_content(self, other: Snapshot | None) -> bool:
        """Whether both describe the same instances in the same states.

        The comparison ignores generation, time, cause and `untrusted_reason`, and the reasons of excluded
        instances: they quote the output of checks, which may differ in each run (Consul issue 1244).
        """
        return (
            other is not None
            and (self.service, self.endpoints) == (other.service, other.endpoints)
            and [e.endpoint for e in self.excluded] == [e.endpoint for e in other.excluded]
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Snapshot:
        """Return the snapshot that `orjson.dumps` has serialised, after decoding."""
        return cls(
            service=data["service"],
            endpoints=tuple(map(_endpoint, data["endpoints"])),
            excluded=tuple(Excluded(**{**e, "endpoint": _endpoint(e["endpoint"])}) for e in data["excluded"]),
            generation=data["generation"],
            observed=data["observed"],
            cause=data["cause"],
            untrusted_reason=data["untrusted_reason"],
            policy=data["policy"],
        )


def _endpoint(data: Mapping[str, Any]) -> Endpoint:
    lists = {"tags": tuple(data["tags"]), "problems": tuple(data["problems"])}
    verdict = ProbeVerdict(**data["verdict"]) if data.get("verdict") else None
    return Endpoint(**{**data, **lists, "verdict": verdict, "meta": tuple((k, v) for k, v in data["meta"])})

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
    """What active probes have found out of an instance."""

    well: bool
    number: int
    """Grows with each verdict. A new one that it is well refutes what requests have said of it until then."""
    refused: bool = False
    """Whether it accepts no connection."""
    why: str = ""
    """What is wrong with it, in words."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One instance of a service, as the registry describes it.

    Equality is by value: a changed weight, tag or address makes another endpoint with the same key.
    Live state (requests in flight, health seen by traffic) belongs to `policy.pool.Backend`.
    """

    service: str
    address: str
    """Host name, IPv4 or IPv6 address (without brackets) that requests are sent to."""
    port: int
    dc: str = ""
    node: str = ""
    id: str = ""
    weight: int = 1
    """Share of traffic relative to its peers, for its present status (Consul's `Weights`)."""
    status: str = "passing"
    """Aggregate of its checks: `passing`, `warning`, `critical` or `maintenance`."""
    tags: tuple[str, ...] = ()
    meta: tuple[tuple[str, str], ...] = ()
    max_conn: int | None = None
    """How many requests it takes at a time; 0: any number, None: as for all."""
    slow_start: float | None = None
    """Seconds in which it is to come to its whole share of requests when it is new; None: as for all."""
    probe: str | None = None
    """How it is to be probed: `tcp`, a path, or empty for not at all; None: as for all."""
    tls: bool | None = None
    """Whether it is connected to by TLS; None: as for all."""
    tls_name: str = ""
    """The name that its certificate must carry; empty: as for all."""
    verdict: ProbeVerdict | None = None
    """What probes have found out; None: nothing worth a word."""
    problems: tuple[str, ...] = ()
    """What is wrong with settings that it brought along, a sentence each; they are ignored."""
    created: int = 0
    """The registry's creation index; where two ids claim one address, the newer wins."""
    checked: bool = True
    """Whether the registry runs any check on it at all."""
    trusted: bool = False
    """Whether an operator vouches for it, so that what its requests say does not count."""

    @property
    def key(self) -> Key:
        """Identity across snapshots; never the address or the weight."""
        return (self.dc, self.node, self.id)

    @property
    def failed(self) -> bool:
        """Whether its probes fail, and nobody vouches for it."""
        return self.verdict is not None and not self.verdict.well and not self.trusted

    @property
    def authority(self) -> str:
        """Where requests are sent, as `host:port`."""
        return authority(self.address, self.port)


@dataclass(frozen=True, slots=True)
class Excluded:
    """An instance that the registry lists but that must get no traffic, and why."""

    endpoint: Endpoint
    reason: str
    """Words for an operator: `critical: TCP connect refused`, `maintenance`, `duplicate of web-2`."""
    abandoned: bool = False
    """Whether what runs on it is broken off too."""
    cause: str = "unfit"
    """The same in a word, for counting: `critical`, `warning`, `maintenance` (those are checks of its own),
    `node` (a check of its machine, such as serfHealth), `duplicate`, `invalid`; `unfit` is anything else."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is known of one service at one moment; whole, so that it can simply replace the last one.

    A snapshot without endpoints means "known to be empty". "Unknown" is never a snapshot.
    """

    service: str
    endpoints: tuple[Endpoint, ...]
    excluded: tuple[Excluded, ...] = ()
    generation: int = 0
    """Grows by one with each snapshot that differs; given by `discovery.watch`."""
    observed: float = 0.0
    """When the registry's answer was read, in seconds since the epoch."""
    cause: str = ""
    """Why it differs from the last one, in words: `consul index 42: +web-3`."""
    untrusted_reason: str = ""
    """Why it may not tell all, in words: `filtered by ACLs`. It may add and change instances; that one is
    missing from it proves nothing yet (see `discovery.guard`)."""
    policy: str = ""
    """How its backends are chosen; empty: as the options say."""

    @property
    def empty(self) -> bool:
        """Whether it lists no instance at all, in whatever state."""
        return not self.endpoints and not self.excluded

    def same_content(self, other: Snapshot | None) -> bool:
        """Whether both describe the same instances in the same states.

        Generation, time, cause and doubt do not count, nor do the reasons of excluded instances: they quote
        the output of checks, which may differ with each run (Consul issue 1244).
        """
        return (
            other is not None
            and (self.service, self.endpoints) == (other.service, other.endpoints)
            and [e.endpoint for e in self.excluded] == [e.endpoint for e in other.excluded]
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Snapshot:
        """Rebuild a snapshot from what `orjson.dumps(snapshot)` made of it."""
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

"""The data of the doctor: plain values that `gather` collects and `rules` evaluates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pylb.containers.container import Container
from pylb.model import Endpoint, Excluded


@dataclass(frozen=True, slots=True, kw_only=True)
class Instances:
    """The instances of one service in Consul."""

    passing: tuple[Endpoint, ...] = ()
    excluded: tuple[Excluded, ...] = ()
    """Instances that receive no requests. The reason of an invalid instance begins with `invalid`."""
    hidden: bool = False
    """Whether Consul reports that it has omitted instances because of ACLs."""
    lacking: str = ""
    """The rights that the token lacks to read the service: `service:read on "web"`."""

    @property
    def all(self) -> tuple[Endpoint, ...]:
        """All instances."""
        return (*self.passing, *(each.endpoint for each in self.excluded))


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The state of Consul and its services."""

    url: str
    leader: str = ""
    """The leader's address; empty if there is no leader."""
    server: bool = False
    """Whether the queried agent is a server. Unknown, and therefore False, without the right agent:read."""
    token_error: str = ""
    """The error if Consul rejects the token."""
    nodes: int = 1
    clock_skew: float = 0.0
    """Seconds by which Consul's clock is ahead of this machine's."""
    known: frozenset[str] = frozenset()
    """The names of all services that have instances."""
    services: Mapping[str, Instances] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All collected facts. None means that a source was not requested or does not answer."""

    registry: Registry | None = None
    containers: tuple[Container, ...] | None = None
    unread: Mapping[str, str] = field(default_factory=dict)
    """Errors of containers that could not be inspected, by name."""
    pools: Mapping[str, Any] | None = None
    """The response of pylb's `/pools`."""
    silent: Mapping[str, str] = field(default_factory=dict)
    """Errors of sources that did not answer: `Consul at http://consul:8500`, `connection refused`."""
    connects: Mapping[tuple[str, int], str] = field(default_factory=dict)
    """Errors of connections by address; empty if the connection was established."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault."""

    rule: str
    """The name of the rule, for scripts."""
    what: str
    """The observation, with the name of its object."""
    cause: str
    cure: str

"""What the doctor looks at: plain values, gathered by `gather`, judged by `rules`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pylb.containers.container import Container
from pylb.model import Endpoint, Excluded


@dataclass(frozen=True, slots=True, kw_only=True)
class Instances:
    """What Consul says of one service."""

    passing: tuple[Endpoint, ...] = ()
    excluded: tuple[Excluded, ...] = ()
    """Those that get no requests; an instance that cannot be understood has a reason that says `invalid`."""
    hidden: bool = False
    """Whether Consul says that the token may not see all."""
    lacking: str = ""
    """The rights that the token lacks to read the service: `service:read on "web"`."""

    @property
    def all(self) -> tuple[Endpoint, ...]:
        """All of them."""
        return (*self.passing, *(each.endpoint for each in self.excluded))


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """What Consul says of itself and of the services."""

    url: str
    leader: str = ""
    """Its leader's address; empty: it has none."""
    server: bool = False
    """Whether the agent that was asked is a server; unknown, and so False, without the right agent:read."""
    refused: str = ""
    """The error if Consul refuses the token."""
    nodes: int = 1
    clock_skew: float = 0.0
    """Seconds that its clock is ahead of this machine's."""
    known: frozenset[str] = frozenset()
    """The names of all services that have instances."""
    services: Mapping[str, Instances] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One look at everything that was asked for; None stands for "not asked for" or "does not answer"."""

    registry: Registry | None = None
    containers: tuple[Container, ...] | None = None
    unread: Mapping[str, str] = field(default_factory=dict)
    """Containers about which the engine does not answer, by name, and the error."""
    pools: Mapping[str, Any] | None = None
    """What pylb's `/pools` says."""
    silent: Mapping[str, str] = field(default_factory=dict)
    """What did not answer, and the error: `Consul at http://consul:8500`, `connection refused`."""
    connects: Mapping[tuple[str, int], str] = field(default_factory=dict)
    """What became of a connection to each address: nothing, or the error."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    rule: str
    """Its name, for scripts."""
    what: str
    """What is seen, naming what it is about."""
    cause: str
    cure: str

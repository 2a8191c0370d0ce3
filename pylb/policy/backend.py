"""A backend: the live side of one endpoint, as one worker sees it."""

from __future__ import annotations

from enum import Enum
from math import inf
from typing import Any

from pylb.model import Endpoint, Key
from pylb.policy.health import Health


class State(Enum):
    """Where a backend stands; each value is the word that operators see."""

    UP = "up"
    """Takes its share of requests."""
    SUSPECT = "suspect"
    """Refused or broke a connection; left alone for a moment (`policy.health`)."""
    EJECTED = "ejected"
    """Failed again and again; left alone for longer."""
    HALF_OPEN = "probation"
    """Was left alone for long enough: it gets one request at a time, until one is answered well."""
    FAILED = "failed"
    """Its active probes fail; they alone bring it back."""
    DRAINING = "draining"
    """Left the registry: what runs on it finishes, nothing new is sent."""
    GONE = "gone"
    """Drained, forgotten, no connection left."""


class Backend:
    """Live state of one instance: requests in flight, open connections, health as seen by traffic.

    It lives as long as the instance's key and address stay in the snapshots; a changed weight or tag replaces
    `endpoint` and touches nothing else. A changed address makes a new backend, the old one drains
    (nginx-proxy #1289: connections to a dead address must not be reused).
    """

    __slots__ = (
        "answered",
        "authority",
        "cells",
        "connections",
        "elsewhere",
        "endpoint",
        "health",
        "idle",
        "inflight",
        "key",
        "limit",
        "load",
        "name",
        "needs_settle",
        "part",
        "state",
        "weight",
    )

    def __init__(self, endpoint: Endpoint, cells: Any = None) -> None:
        self.endpoint = endpoint
        self.key: Key = endpoint.key
        self.name = endpoint.authority
        self.authority = self.name.encode("utf-8", "replace")
        """Its name as a `Host` field has it."""
        self.part: float = 1
        """How much of its weight counts: less than all of it while it is new (`policy.slowstart`)."""
        self.weight: float = endpoint.weight
        """Its share of traffic relative to its peers; 0 means that it is never picked."""
        self.state = State.UP
        self.answered = -inf
        """When it last answered any request, in monotonic seconds."""
        self.health = Health()
        """What traffic knows of it."""
        self.needs_settle = False
        """Whether it matters that a request on it went well: because it drains, has failed before, or has a
        limit of requests."""
        self.limit = inf
        """Requests of this worker that it takes at a time (`policy.queue`)."""
        self.inflight = 0
        """Requests of this worker that hold a lease on it. Change it with `count`."""
        self.elsewhere = 0
        """Requests in flight in the other workers, a few milliseconds old; `on_peer_update` changes it."""
        self.load = 0.0
        """Requests on it per unit of weight, all workers together: what the policies compare.

        It is kept up to date where it changes, twice a request, because least-connections reads it of up to
        sixteen backends for every pick. Equal ratios are equal floats, as division rounds correctly.
        """
        self.connections: set[Any] = set()
        """All open connections, whoever uses them."""
        self.idle: list[Any] = []
        """Open connections without a request, newest last; `proxy.upstream` owns them."""
        self.cells = cells
        """This worker's counters for it; `observe.metrics` gives and reads them."""

    @property
    def identity(self) -> tuple[Key, str]:
        """What tells it apart from every other backend of its pool: key and authority."""
        return self.key, self.name

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return self.limit < inf

    def count(self, change: int) -> None:
        """Take note that a request of this worker began (+1) or ended (-1)."""
        self.inflight += change
        self.load = (self.inflight + self.elsewhere) / (self.weight or 1)

    def on_peer_update(self, elsewhere: int) -> None:
        """Take over how many requests the other workers have on it."""
        self.elsewhere = elsewhere
        self.count(0)

    def refresh(self) -> None:
        """Find out what the other workers have on it. There are none; see `policy.shared`."""

    def update(self, endpoint: Endpoint) -> None:
        """Take over a newer description of the same instance at the same address."""
        self.endpoint = endpoint
        self.ramp(self.part)

    def ramp(self, part: float) -> None:
        """Let so much of its weight count."""
        self.part = part
        self.weight = self.endpoint.weight * part
        self.count(0)

    def clear(self) -> None:
        """Know nothing against it any more."""
        self.health.clear()
        self.needs_settle = self.limited

    def __repr__(self) -> str:
        return (
            f"<Backend {self.endpoint.id or self.name} {self.name} {self.state.value} w{self.weight} "
            f"| {self.inflight} active, {len(self.idle)} idle>"
        )

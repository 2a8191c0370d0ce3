"""A backend: the live state of one endpoint in one worker.

A backend counts and stores; the rules are elsewhere: `policy.health` and `policy.passive_health` set its
state, `policy.slowstart` its weight, `policy.queue` its limit.
"""

from __future__ import annotations

from enum import Enum
from math import inf
from typing import Any

from pylb.model import PLAIN, Endpoint, Key, Overlay
from pylb.policy.health import PassiveHealth


class State(Enum):
    """The state of a backend; each value is the word that operators see."""

    UP = "up"
    """Takes its share of requests."""
    SUSPECT = "suspect"
    """Refused or broke a connection; receives no requests for about a second (`policy.health`)."""
    EJECTED = "ejected"
    """Failed several times in a row; receives no requests for ten seconds or more."""
    HALF_OPEN = "half-open"
    """The ejection is over: receives one trial request at a time until one succeeds."""
    FAILED = "failed"
    """Active probes fail; only a successful probe restores it."""
    DRAINING = "draining"
    """Left the registry: running requests finish, and it receives no new ones."""
    GONE = "gone"
    """Drained, without connections, and no longer in the pool."""


class Backend:
    """Live state of one instance: requests in flight, open connections, passive health.

    A backend exists as long as the states contain the instance's key and address; a changed weight or tag
    replaces `endpoint` and nothing else. A changed address makes a new backend, and the old one drains
    (nginx-proxy #1289: connections to a dead address must not be reused).
    """

    __slots__ = (
        "answered",
        "authority",
        "connections",
        "counters",
        "elsewhere",
        "endpoint",
        "health",
        "idle",
        "inflight",
        "key",
        "limit",
        "load",
        "multiplexed",
        "name",
        "needs_settle",
        "overlay",
        "ramp_fraction",
        "state",
        "weight",
    )

    def __init__(self, endpoint: Endpoint, counters: Any = None) -> None:
        self.endpoint = endpoint
        self.overlay = PLAIN
        """What probes and operators have decided about the instance."""
        self.key: Key = endpoint.key
        self.name = endpoint.authority
        self.authority = self.name.encode("utf-8", "replace")
        """The name as the value of a `Host` field."""
        self.ramp_fraction: float = 1
        """Fraction of the full weight that applies, from 0 to 1; below 1 during slow start
        (`policy.slowstart`)."""
        self.weight: float = endpoint.weight
        """Share of requests relative to its peers; a backend of weight 0 is never picked."""
        self.state = State.UP
        self.answered = -inf
        """Time of the last response to any request, in monotonic seconds."""
        self.health = PassiveHealth()
        """Passive health: results of requests."""
        self.needs_settle = False
        """Whether the pool must evaluate successful requests as well: because the backend drains, has failed
        before, or has a limit of requests."""
        self.limit = inf
        """Requests of this worker that it accepts at a time (`policy.queue`)."""
        self.inflight = 0
        """Requests of this worker that hold a lease on it. Change it with `count`."""
        self.elsewhere = 0
        """Requests in flight in other workers, a few milliseconds old; `on_peer_update` changes it."""
        self.load = 0.0
        """Requests in flight per unit of weight, in all workers together: the value that policies compare.

        It is computed where it changes, twice per request, because least-connections reads it of up to
        sixteen backends for every pick. Equal ratios are equal floats, because division rounds correctly.
        """
        self.connections: set[Any] = set()
        """All open connections, in use or idle."""
        self.idle: list[Any] = []
        """Open connections without a request, newest last; `proxy.upstream` owns them."""
        self.multiplexed: Any = None
        """The connections with several requests at once; None until the first. `proxy.upstream` owns them."""
        self.counters = counters
        """This worker's counters for it, which `observe.metrics` provides and reads."""

    @property
    def identity(self) -> tuple[Key, str]:
        """Key and authority, which are unique in the pool."""
        return self.key, self.name

    @property
    def unreachable(self) -> bool:
        """Whether the last connection to it could not be opened."""
        return self.health.unreachable

    @property
    def http2(self) -> tuple[int, int]:
        """The number of connections with HTTP/2, and of the requests on them."""
        return (0, 0) if self.multiplexed is None else self.multiplexed.usage()

    @property
    def limited(self) -> bool:
        """Whether the backend has a limit of requests."""
        return self.limit < inf

    def count(self, change: int) -> None:
        """Count a request of this worker that began (+1) or ended (-1)."""
        self.inflight += change
        self.load = (self.inflight + self.elsewhere) / (self.weight or 1)

    def on_peer_update(self, elsewhere: int) -> None:
        """Set how many requests the other workers have on it."""
        self.elsewhere = elsewhere
        self.count(0)

    def refresh(self) -> None:
        """Read the counts of other workers. A plain backend has none; see `policy.shared`."""

    @property
    def full_weight(self) -> int:
        """The weight outside of slow start: the operator's, else the registry's."""
        return self.endpoint.weight if self.overlay.weight is None else self.overlay.weight

    def update(self, endpoint: Endpoint, overlay: Overlay = PLAIN) -> None:
        """Replace the description of the instance, which is the same one at the same address."""
        self.endpoint, self.overlay = endpoint, overlay
        self.ramp(self.ramp_fraction)

    def ramp(self, fraction: float) -> None:
        """Apply this fraction of the full weight, from 0 to 1."""
        self.ramp_fraction = fraction
        self.weight = self.full_weight * fraction
        self.count(0)

    def clear(self) -> None:
        """Discard all earlier results of requests."""
        self.health.clear()
        self.needs_settle = self.limited

    def __repr__(self) -> str:
        return (
            f"<Backend {self.endpoint.id or self.name} {self.name} {self.state.value} w{self.weight} "
            f"| {self.inflight} active, {len(self.idle)} idle>"
        )

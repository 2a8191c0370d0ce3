"""What the admin server may look at: readiness, membership, metrics. Nothing here can change anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import inf
from typing import Any, Protocol

from pylb.observe import exposition
from pylb.observe.counters import Counters
from pylb.observe.exposition import Watched
from pylb.observe.gauges import CLIENTS, LINES_DROPPED, PROCESS
from pylb.observe.history import History
from pylb.observe.samples import Samples
from pylb.policy.backend import Backend
from pylb.policy.explain import why_not
from pylb.policy.overrides import Override
from pylb.policy.pool import Pool
from pylb.policy.route import Routes


class ProcessState(Protocol):
    """Where a process stands; see `process.lifecycle`."""

    word: str
    sentence: str


class Lifecycle(Protocol):
    """A process's life; see `process.lifecycle`."""

    @property
    def state(self) -> ProcessState:
        """Where it stands."""

    @property
    def serving(self) -> bool:
        """Whether it takes new requests."""


@dataclass(frozen=True, slots=True)
class View:
    """One process, as far as the admin server can see it."""

    lifecycle: Lifecycle
    pools: Mapping[str, Pool]
    """By service; the process is ready when each has had its first snapshot."""
    watches: Mapping[str, Watched]
    """By service, the same ones."""
    counters: Counters
    clock: Callable[[], float]
    """Monotonic seconds, the watches' clock."""
    workers: Callable[[], Sequence[Mapping[str, Any]]]
    """The processes that take requests and are told of changes: `name`, `pid`, the `generation` of processes
    that it belongs to, the generation of each service's pool that it has `applied`, and `heartbeat_age`, the
    seconds since it last showed that it works."""
    routes: Routes
    history: History
    samples: Samples
    overrides: Mapping[int, Override]
    """In force, by id."""
    config: Mapping[str, str]
    """The options in force as a user would write them, without secrets."""
    max_age: float | None = None
    """Seconds since the registry answered after which this process counts as not ready; None: it always
    does, as what is known stays good while the registry is away."""
    crashes: Callable[[], Iterable[str]] = tuple
    """A sentence for each background task that crashed lately."""
    refresh: Callable[[], object] = lambda: None
    """Brings pools and gauges up to date, where they are not at all times."""

    def connections(self) -> int:
        """How many clients are connected."""
        self.refresh()
        return sum(self.counters.block.gauge(PROCESS, CLIENTS))

    def log_lines_dropped(self) -> int:
        """How many lines of the access log were lost, since the start."""
        return self.counters.block.total(PROCESS)[LINES_DROPPED]

    def obstacles(self) -> list[str]:
        """Why this process should be sent no requests, one sentence each; nothing if it should."""
        reasons = [] if self.lifecycle.serving else [f"pylb is {self.lifecycle.state.word}"]
        if not self.workers():
            reasons.append("no worker is there to take requests")
        for service, pool in self.pools.items():
            if pool.snapshot is None:
                error = self.watches[service].error
                reason = f"service {service}: the registry has not answered yet"
                reasons.append(f"{reason}: {error}" if error else reason)
            elif (age := self.watches[service].age(self.clock())) and age > (self.max_age or inf):
                reasons.append(f"service {service}: the registry last answered {age:.0f} s ago")
        return reasons

    def readiness(self) -> dict[str, Any]:
        """Whether it should be sent requests, and how fresh is what it knows."""
        obstacles = self.obstacles()
        return {
            "ready": not obstacles,
            "reasons": obstacles,
            "warnings": [
                f"service {service}: no instance is registered: {watch.missing}"
                for service, watch in self.watches.items()
                if watch.missing
            ],
            "state": self.lifecycle.state.word,
            "means": self.lifecycle.state.sentence,
            "services": {service: self._freshness(watch) for service, watch in self.watches.items()},
        }

    def _freshness(self, watch: Watched) -> dict[str, Any]:
        age = watch.age(self.clock())
        return {
            "age_seconds": None if age is None else round(age, 3),
            "generation": watch.generation,
            "instances": watch.instances,
            "retained": watch.retained,
            "untrusted_reason": watch.untrusted_reason,
            "error": watch.error,
            "missing": watch.missing,
        }

    def membership(self) -> dict[str, Any]:
        """Who is in the pools, and who is not and why, by service."""
        self.refresh()
        return {service: _membership(pool, self.clock()) for service, pool in self.pools.items()}

    def metrics(self) -> Iterator[str]:
        """Everything for Prometheus, in pieces that take a few milliseconds each."""
        self.refresh()
        return chain(
            exposition.processes(self.counters.block, len(self.workers())),
            exposition.discovery(self.watches.values(), self.clock()),
            exposition.pools(self.pools.values()),
            exposition.changes(self.history),
            exposition.traffic(self.counters),
        )


def _membership(pool: Pool, now: float) -> dict[str, Any]:
    snapshot = pool.snapshot
    return {
        "generation": snapshot.generation if snapshot else 0,
        "observed": snapshot.observed if snapshot else None,
        "cause": snapshot.cause if snapshot else "",
        "panic": pool.panics,
        "queued": pool.waiting,
        "backends": [_backend(b, now) for b in (*pool.backends.values(), *pool.draining.values())],
        "excluded": [
            {"id": e.endpoint.id, "address": e.endpoint.authority, "reason": e.reason}
            for e in (snapshot.excluded if snapshot else ())
        ],
    }


def _backend(backend: Backend, now: float) -> dict[str, Any]:
    endpoint = backend.endpoint
    return {
        "id": endpoint.id,
        "address": backend.name,
        "node": endpoint.node,
        "state": backend.state.value,
        "why": why_not(backend, now),
        "status": endpoint.status,
        "failures": backend.health.failures,
        "left_alone_seconds": round(max(0.0, backend.health.until - now), 1),
        "weight": backend.weight,
        "part": backend.part,
        "in_flight": backend.inflight,
        "idle_connections": len(backend.idle),
        "tags": endpoint.tags,
        "problems": endpoint.problems,
        "probe": endpoint.verdict.why if endpoint.verdict else "",
        "verified": endpoint.checked or bool(endpoint.probe),
    }

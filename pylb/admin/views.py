"""What the admin server can read: readiness, pools, metrics. Nothing here changes state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import inf
from typing import Any, Protocol

from pylb.model import PoolState
from pylb.observe import exposition
from pylb.observe.counters import Counters
from pylb.observe.exposition import WatchStatus
from pylb.observe.gauges import CLIENTS, HTTP2_CLIENTS, HTTP2_STREAMS, LINES_DROPPED, PROCESS
from pylb.observe.history import History
from pylb.observe.samples import Samples
from pylb.policy.backend import State
from pylb.policy.explain import standby, why_not
from pylb.policy.overrides import Override
from pylb.policy.rows import BackendRow, ServiceRow
from pylb.routes.declaration import ServiceDeclaration
from pylb.routes.route import Problem
from pylb.routes.table import RouteTable


class ProcessState(Protocol):
    """The state of a process; see `runtime.lifecycle`."""

    word: str
    sentence: str


class Lifecycle(Protocol):
    """The lifecycle of a process; see `runtime.lifecycle`."""

    @property
    def state(self) -> ProcessState:
        """The current state."""

    @property
    def serving(self) -> bool:
        """Whether the process accepts new requests."""


class Rows(Protocol):
    """The pools as plain rows; see `policy.rows`."""

    @property
    def services(self) -> Iterable[str]:
        """The names of the services."""

    def applied(self, service: str) -> PoolState | None:
        """Return the last state of a pool; None while the registry has not answered yet."""

    def row(self, service: str) -> ServiceRow:
        """Return the row of a service, with the present figures."""

    def upcoming(self, service: str) -> str | None:
        """Return the address of the backend that the next request receives; None if none is eligible."""


async def _compiled() -> None:
    """Do nothing: the table of this process is compiled."""


@dataclass(frozen=True, slots=True)
class View:
    """The data of one process that the admin server shows."""

    lifecycle: Lifecycle
    rows: Rows
    """The pools. The process is ready when each pool has its first snapshot."""
    watches: Mapping[str, WatchStatus]
    """By service; the same services as `rows`."""
    counters: Counters
    clock: Callable[[], float]
    """Monotonic seconds, the watches' clock."""
    workers: Callable[[], Sequence[Mapping[str, Any]]]
    """The workers that are connected to control, each with `name`, `pid`, `generation` (of the processes; a
    reload increments it), `applied` (the generation of each service's pool that the worker has applied) and
    `heartbeat_age` (seconds since its last heartbeat)."""
    table: Callable[[], RouteTable[Any]]
    """Returns the routes in force."""
    declared: Callable[[str], ServiceDeclaration | None]
    """Returns the declaration in force of a service; None if no source declares it."""
    history: History
    samples: Samples
    overrides: Mapping[int, Override]
    """Overrides in force, by id."""
    config: Mapping[str, str]
    """The options in force as a user writes them, without secrets."""
    max_age: float | None = None
    """Seconds since the registry's last answer after which the process is not ready. None: the age does not
    matter, as the known backends stay in use while the registry is unavailable."""
    declaration_problems: Callable[[], Iterable[Problem]] = tuple
    """Returns what is wrong with the declarations of routes, beside the problems of the table."""
    declarations: Callable[[], bytes] = lambda: b'{"generation":0,"changed":{},"complete":true}'
    """Returns all declarations of routes as JSON; see `ipc.routing_update`."""
    route_totals: Callable[[], Mapping[tuple[str, str], Sequence[int]]] = dict
    """Returns requests and errors by service and route, if they are counted."""
    routing_generation: Callable[[], int] = lambda: 0
    """Returns the generation of the routes that workers last received."""
    requests: Collection[Sequence[str]] | None = None
    """The recorded requests: method, host, path and service. None if they are not recorded."""
    crashes: Callable[[], Iterable[str]] = tuple
    """Returns one sentence for each background task that crashed recently."""
    prepare: Callable[[], Awaitable[None]] = _compiled
    """Compiles the routes in slices, so that `table` returns at once."""
    refresh: Callable[[], object] = lambda: None
    """Updates the counters and gauges, in a process that does not update them continuously."""

    @property
    def routes(self) -> RouteTable[Any]:
        """The routes in force."""
        return self.table()

    def clients(self) -> dict[str, int]:
        """The number of connected clients, of those with HTTP/2, and of the requests of those."""
        self.refresh()
        shared = self.counters.shared
        return {
            "connections": sum(shared.gauge(PROCESS, CLIENTS)),
            "http2_connections": sum(shared.gauge(PROCESS, HTTP2_CLIENTS)),
            "http2_streams": sum(shared.gauge(PROCESS, HTTP2_STREAMS)),
        }

    def log_lines_dropped(self) -> int:
        """The number of dropped access log lines since the start."""
        return self.counters.shared.total(PROCESS)[LINES_DROPPED]

    def obstacles(self) -> list[str]:
        """The reasons why the process is not ready, one sentence each; empty if it is ready."""
        reasons = [] if self.lifecycle.serving else [f"pylb is {self.lifecycle.state.word}"]
        if not self.workers():
            reasons.append("no worker is running")
        for service in self.rows.services:
            if self.rows.applied(service) is None:
                error = self.watches[service].error
                reason = f"service {service}: the registry has not answered yet"
                reasons.append(f"{reason}: {error}" if error else reason)
            elif (age := self.watches[service].age(self.clock())) and age > (self.max_age or inf):
                reasons.append(f"service {service}: the registry last answered {age:.0f} s ago")
        return reasons

    def readiness(self) -> dict[str, Any]:
        """The body of `/ready`: whether requests should be sent here, and the freshness of each service."""
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

    def _freshness(self, watch: WatchStatus) -> dict[str, Any]:
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
        """By service: the backends of the pool, and the excluded instances with the reasons."""
        self.refresh()
        return {service: _membership(self.rows.row(service), self.clock()) for service in self.rows.services}

    def metrics(self) -> Iterator[str]:
        """All metrics for Prometheus, in pieces that take a few milliseconds each."""
        self.refresh()
        return chain(
            exposition.processes(self.counters.shared, len(self.workers())),
            exposition.discovery(self.watches.values(), self.clock()),
            exposition.pools([self.rows.row(service) for service in self.rows.services]),
            exposition.changes(self.history),
            exposition.traffic(self.counters),
            exposition.by_route(self.route_totals()),
        )


def _membership(pool: ServiceRow, now: float) -> dict[str, Any]:
    applied, eligible = pool.applied, frozenset(pool.eligible)
    return {
        "generation": applied.generation if applied else 0,
        "observed": applied.observed if applied else None,
        "cause": applied.cause if applied else "",
        "panic": pool.panics,
        "queued": pool.waiting,
        "backends": [_backend(b, now, eligible) for b in (*pool.backends, *pool.draining)],
        "excluded": [
            {"id": e.endpoint.id, "address": e.endpoint.authority, "reason": e.reason}
            for e in (applied.excluded if applied else ())
        ],
    }


def _backend(backend: BackendRow, now: float, eligible: Collection[BackendRow]) -> dict[str, Any]:
    endpoint = backend.endpoint
    why = why_not(backend, now)
    if not why and backend.state is State.UP and backend not in eligible:
        why = standby(backend)
    return {
        "id": endpoint.id,
        "address": backend.name,
        "node": endpoint.node,
        "state": backend.state.value,
        "why": why,
        "status": endpoint.status,
        "failures": backend.failures,
        "ejected_seconds": round(max(0.0, backend.until - now), 1),
        "weight": backend.weight,
        "ramp_fraction": backend.ramp_fraction,
        "priority": endpoint.priority,
        "zone": endpoint.zone,
        "in_flight": backend.in_flight,
        "idle_connections": backend.idle,
        "http2_connections": backend.http2_connections,
        "http2_streams": backend.http2_streams,
        "declared_protocol": endpoint.protocol,
        "tags": endpoint.tags,
        "problems": endpoint.problems,
        "probe": backend.overlay.verdict.why if backend.overlay.verdict else "",
        "verified": endpoint.has_checks or bool(backend.overlay.probe),
    }

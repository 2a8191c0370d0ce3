"""All metrics that pylb exports, in the Prometheus text format (version 0.0.4).

A family is a template of a few lines; a row supplies the values of one backend, service or watch. The design
is simple because it must be fast: 1,000 backends produce 50,000 lines, in an event loop that also forwards
requests. `prometheus_client.generate_latest` takes 6 µs per line (measured), this module 0.5 µs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import attrgetter, itemgetter
from platform import python_version
from typing import Any, Protocol

from pylb import __version__
from pylb.observe import counter_layout, gauges, history
from pylb.observe.counters import Counters
from pylb.observe.histogram import Histogram
from pylb.observe.history import History
from pylb.observe.shared_counters import SharedCounters
from pylb.policy.backend import State
from pylb.policy.rows import ServiceRow

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Row = tuple[str, Any]
"""The labels of a row, and the object that its values are taken from."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric.

    Args:
        name: the name without its prefix, `pylb_` or `pylb_backend_`.
        kind: `counter`, `gauge`, `histogram` or `summary`.
        help: one sentence.
        values: returns the values of the samples of a row, in their order.
        samples: (suffix of the name, additional label) of each sample.
    """

    name: str
    kind: str
    help: str
    values: Callable[[Any], Any]
    samples: tuple[tuple[str, str], ...] = (("", ""),)

    def text(self, rows: Iterable[Row], prefix: str = "pylb_") -> str:
        """The text of this metric with the samples of all rows."""
        name = prefix + self.name
        template = "".join(
            f"{name}{suffix}{{@{',' if label else ''}{label}}} %s\n" for suffix, label in self.samples
        ).split("@")
        samples = [labels.join(template) % self.values(source) for labels, source in rows]
        return f"# HELP {name} {self.help}\n# TYPE {name} {self.kind}\n{''.join(samples)}"


def labels(**values: str) -> str:
    """Label pairs as text, escaped for the format and for `%`."""
    return ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in values.items())


_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "%": "%%"})


def _counter(declared: counter_layout.Counter) -> Family:
    return Family(declared.name, "counter", declared.help, itemgetter(declared.index))


def _process_gauge(declared: gauges.Gauge) -> Family:
    def total(shared: SharedCounters) -> int:
        return sum(shared.gauge(gauges.PROCESS, declared.index))

    return Family(declared.name, "gauge", declared.help, total)


def _histogram(name: str, text: str, first: int, microseconds: int) -> Family:
    def values(totals: list[int]) -> tuple[float, ...]:
        buckets = tuple(accumulate(totals[first : first + counter_layout.BUCKETS]))
        return *buckets, totals[microseconds] / 1e6, buckets[-1]

    return Family(name, "histogram", text, values, _histogram_samples(counter_layout.BOUNDS))


def _histogram_samples(bounds: Iterable[float]) -> tuple[tuple[str, str], ...]:
    words = [*(f"{bound:g}" for bound in bounds), "+Inf"]
    return (*(("_bucket", f'le="{word}"') for word in words), ("_sum", ""), ("_count", ""))


def _propagation(name: str, text: str) -> Family:
    """A family whose rows are histograms of `History`."""

    def values(histogram: Histogram) -> tuple[float, ...]:
        buckets = tuple(accumulate(histogram.buckets))
        return *buckets, histogram.sum, buckets[-1]

    return Family(name, "histogram", text, values, _histogram_samples(history.BOUNDS))


_CONNECTED = slice(counter_layout.CONNECT, counter_layout.CONNECT + counter_layout.BUCKETS)

COUNTED = (
    Family(
        "requests_total",
        "counter",
        "Requests by class of response status; 499: the client closed the connection before the response.",
        itemgetter(*range(len(counter_layout.CODES))),
        tuple(("", f'code="{code}"') for code in counter_layout.CODES),
    ),
    _histogram(
        "request_duration_seconds",
        "Time from the head of a request to the end of its response.",
        counter_layout.DURATION,
        counter_layout.DURATION_TIME,
    ),
    *(_counter(each) for each in counter_layout.COUNTERS),
    _histogram(
        "upstream_head_seconds",
        "Time from the start of an attempt to the head of its response.",
        counter_layout.HEAD,
        counter_layout.HEAD_TIME,
    ),
)
"""Counters of requests and attempts: `pylb_...` by service, `pylb_backend_...` by backend. A request belongs
to the backend of its last attempt."""

CONNECT = _histogram(
    "upstream_connect_seconds",
    "Time to open a connection to a backend.",
    counter_layout.CONNECT,
    counter_layout.CONNECT_TIME,
)
CONNECT_BY_BACKEND = Family(
    CONNECT.name,
    "summary",
    CONNECT.help,
    lambda totals: (totals[counter_layout.CONNECT_TIME] / 1e6, sum(totals[_CONNECTED])),
    (("_sum", ""), ("_count", "")),
)
"""Without buckets: connections are rarely opened, and a thousand backends would add 17,000 lines."""

TERMINATIONS = Family(
    "terminations_total",
    "counter",
    "Requests that did not complete normally, by termination code, as in the access log.",
    itemgetter(*counter_layout.TERMINATION_INDEX.values()),
    tuple(("", f'code="{code}"') for code in counter_layout.TERMINATIONS),
)
"""By service only: a rejected request has no backend, and other failures are already counted by backend."""

GRPC = Family("grpc_requests_total", "counter", "Calls of gRPC by the code with which they ended.", float)
"""By service, and only the codes that have occurred: most services have no calls."""

BACKEND_NOW = (
    Family(
        "backend_requests_in_flight", "gauge", "Requests in flight on a backend.", attrgetter("in_flight")
    ),
    Family("backend_connections_idle", "gauge", "Idle connections to a backend.", attrgetter("idle")),
    Family("backend_weight", "gauge", "Weight of a backend relative to its peers.", attrgetter("weight")),
)
"""Gauges by backend: the value of each is read from a `BackendRow`."""

POOL_NOW = (
    Family(
        "panic",
        "gauge",
        "Whether the pool is in panic mode: too few backends are healthy.",
        lambda pool: int(pool.panics),
    ),
    Family(
        "queue_requests",
        "gauge",
        "Requests that wait for a backend below its connection limit.",
        attrgetter("waiting"),
    ),
)
"""Gauges by service: the value of each is read from a `ServiceRow`."""

DISCOVERY = (
    Family(
        "discovery_up",
        "gauge",
        "Whether the last registry response was usable.",
        lambda watch: int(watch.answered is not None and not watch.error),
    ),
    Family("discovery_errors_total", "counter", "Failed registry requests.", attrgetter("errors")),
    Family(
        "discovery_generation",
        "gauge",
        "Generation of the current snapshot; increases by one with each change.",
        attrgetter("generation"),
    ),
    Family("discovery_index", "gauge", "Consul index of the last response.", attrgetter("index")),
    Family(
        "discovery_retained_instances",
        "gauge",
        "Instances that stay in the pool although the last registry response does not confirm them.",
        attrgetter("retained"),
    ),
)


def _number(name: str, kind: str, text: str) -> Family:
    """A family whose rows are numbers."""
    return Family(name, kind, text, lambda number: number)


BUILD = _number("build_info", "gauge", "Always 1; the labels are the versions of pylb and Python.")
PROCESSES_NOW = tuple(_process_gauge(each) for each in gauges.PROCESS_GAUGES)
"""Gauges of all processes together, read from the shared memory."""
PROCESSES = tuple(_counter(each) for each in gauges.COUNTERS)
"""Counters of the processes themselves."""
WORKERS = _number("workers", "gauge", "Workers that serve requests and receive changes.")
BACKENDS = _number("backends", "gauge", "Backends by state.")
POOL_EVENTS = _number("pool_events_total", "counter", "State changes and limits of a pool, by event.")
ROUTE_REQUESTS = _number("route_requests_total", "counter", "Requests by route, with --route-metrics.")
ROUTE_ERRORS = _number(
    "route_errors_total", "counter", "Requests by route that were answered with 5xx, with --route-metrics."
)
AGE = _number("discovery_age_seconds", "gauge", "Time since the last usable registry response.")
GUARDS = _number(
    "guards_total", "counter", "Registry responses that a guard held back or corrected, by guard."
)
REMOVALS = _number("endpoint_removals_total", "counter", "Instances removed from a pool, by cause.")


APPLIED = _propagation(
    "propagation_applied_seconds", "Time from the registry response until all pools applied the change."
)
ROUTED = _propagation(
    "propagation_routed_seconds",
    "Time from the registry response until the first request to an added instance, under traffic.",
)


class WatchStatus(Protocol):
    """The status of a watch; `discovery.status.DiscoveryStatus` documents each field."""

    service: str
    answered: float | None
    generation: int
    instances: int
    retained: int
    untrusted_reason: str
    index: int
    errors: int
    error: str
    missing: str
    undelivered: str
    guards: Counter[str]
    removals: Counter[str]

    def age(self, now: float) -> float | None:
        """Seconds since the last usable response; None if there was none."""


def processes(shared: SharedCounters, workers: int) -> Iterator[str]:
    """The metrics of the processes. `workers`: the number of serving workers."""
    yield BUILD.text([(labels(version=__version__, python=python_version()), 1)])
    yield WORKERS.text([("", workers)])
    for family in PROCESSES_NOW:
        yield family.text([("", shared)])
    totals = shared.total(gauges.PROCESS)
    for family in PROCESSES:
        yield family.text([("", totals)])


def traffic(counters: Counters) -> Iterator[str]:
    """The counters of requests and pool events."""
    services, backends = counters.read()
    by_service = [(labels(service=service), totals) for service, totals in services.items()]
    by_backend = [(labels(service=s, backend=b), totals) for (s, b), totals in backends.items()]
    for family in (*COUNTED, CONNECT):
        yield family.text(by_service)
    for family in (*COUNTED, CONNECT_BY_BACKEND):
        yield family.text(by_backend, "pylb_backend_")
    yield TERMINATIONS.text(by_service)
    if calls := _calls(services):
        yield GRPC.text(calls)
    yield POOL_EVENTS.text(
        [
            (labels(service=service, event=event), totals[counter_layout.EVENT + place])
            for service, totals in services.items()
            for place, event in enumerate(counter_layout.EVENTS)
        ]
    )


def _calls(services: Mapping[str, Sequence[int]]) -> list[tuple[str, int]]:
    """Return the calls of gRPC by service and code."""
    return [
        (labels(service=service, grpc_code=name), totals[counter_layout.GRPC + code])
        for service, totals in services.items()
        for code, name in enumerate(counter_layout.GRPC_CODES)
        if totals[counter_layout.GRPC + code]
    ]


def by_route(totals: Mapping[tuple[str, str], Sequence[int]]) -> Iterator[str]:
    """The requests and errors by service and route, if they are counted."""
    if totals:
        rows = [
            (labels(service=service, route=route or "/"), counts)
            for (service, route), counts in totals.items()
        ]
        yield ROUTE_REQUESTS.text([(names, requests) for names, (requests, _) in rows])
        yield ROUTE_ERRORS.text([(names, errors) for names, (_, errors) in rows])


def pools(pools: Collection[ServiceRow]) -> Iterator[str]:
    """The current state of the pools and their backends."""
    states, rows = [], []
    for pool in pools:
        weightless = sum(backend.weight <= 0 for backend in pool.backends)
        marked = Counter(backend.state for backend in pool.backends)
        for state, number in (
            ("up", marked[State.UP] - weightless),
            ("suspect", marked[State.SUSPECT]),
            ("ejected", marked[State.EJECTED]),
            ("half-open", marked[State.HALF_OPEN]),
            ("failed", marked[State.FAILED]),
            ("zero_weight", weightless),
            ("draining", len(pool.draining)),
            ("excluded", len(pool.applied.excluded) if pool.applied else 0),
        ):
            states.append((labels(service=pool.service, state=state), number))
        present = {b.name: b for b in (*pool.draining, *pool.backends)}
        rows += [(labels(service=pool.service, backend=name), backend) for name, backend in present.items()]
    yield BACKENDS.text(states)
    by_service = [(labels(service=pool.service), pool) for pool in pools]
    for family in POOL_NOW:
        yield family.text(by_service)
    for family in BACKEND_NOW:
        yield family.text(rows)


def changes(recorded: History) -> Iterator[str]:
    """The propagation times of changes."""
    for family, histograms in ((APPLIED, recorded.applied), (ROUTED, recorded.routed)):
        yield family.text([(labels(service=service), each) for service, each in histograms.items()])


def discovery(watches: Iterable[WatchStatus], now: float) -> Iterator[str]:
    """The age and errors of discovery data. `now`: monotonic seconds."""
    rows = [(labels(service=watch.service), watch) for watch in watches]
    for family in DISCOVERY:
        yield family.text(rows)
    yield AGE.text([(name, age) for name, watch in rows if (age := watch.age(now)) is not None])
    yield GUARDS.text(
        [
            (f"{name},{labels(guard=guard)}", number)
            for name, watch in rows
            for guard, number in watch.guards.items()
        ],
    )
    yield REMOVALS.text(
        [
            (f"{name},{labels(cause=cause)}", number)
            for name, watch in rows
            for cause, number in watch.removals.items()
        ],
    )

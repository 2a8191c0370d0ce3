"""Every metric that pylb exports, in Prometheus' text format (version 0.0.4).

A family is a few lines of text with holes; a row is what one backend, service or watch puts into them. There
is no more to it because it has to be quick: with 1,000 backends it makes 50,000 lines, in a loop that has
requests to forward. `prometheus_client.generate_latest` would take 6 µs for each (measured), this takes 0.5.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
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
from pylb.policy.pool import Pool

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Row = tuple[str, Any]
"""The labels of one owner of samples, and what its values are taken from."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric.

    Args:
        name: without the prefix that says what it is about.
        kind: `counter`, `gauge`, `histogram` or `summary`.
        help: one sentence.
        values: takes from a row what goes into the samples, in their order.
        samples: (suffix of the name, label of its own) of each sample.
    """

    name: str
    kind: str
    help: str
    values: Callable[[Any], Any]
    samples: tuple[tuple[str, str], ...] = (("", ""),)

    def text(self, rows: Iterable[Row], prefix: str = "pylb_") -> str:
        """All samples of this metric."""
        name = prefix + self.name
        template = "".join(
            f"{name}{suffix}{{@{',' if label else ''}{label}}} %s\n" for suffix, label in self.samples
        ).split("@")
        samples = [labels.join(template) % self.values(source) for labels, source in rows]
        return f"# HELP {name} {self.help}\n# TYPE {name} {self.kind}\n{''.join(samples)}"


def labels(**values: str) -> str:
    """Label pairs as text for a row: escaped for the format, and for `%`."""
    return ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in values.items())


_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "%": "%%"})


def _counter(name: str, text: str, cell: int) -> Family:
    return Family(name, "counter", text, itemgetter(cell))


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
        "Requests by class of the status that the client was answered; 499 is a client that left before.",
        itemgetter(*range(len(counter_layout.CODES))),
        tuple(("", f'code="{code}"') for code in counter_layout.CODES),
    ),
    _histogram(
        "request_duration_seconds",
        "Time from the end of a request's head to the end of its response.",
        counter_layout.DURATION,
        counter_layout.DURATION_TIME,
    ),
    _counter(
        "requests_aborted_total", "Requests that the client left before their end.", counter_layout.ABORTED
    ),
    _counter(
        "request_body_bytes_total", "Bytes of request bodies received from clients.", counter_layout.RECEIVED
    ),
    _counter("response_body_bytes_total", "Bytes of response bodies sent to clients.", counter_layout.SENT),
    _counter("upstream_attempts_total", "Tries to get an answer from a backend.", counter_layout.ATTEMPTS),
    _counter("upstream_retries_total", "Tries that followed a failed one.", counter_layout.RETRIES),
    _counter("upstream_connect_errors_total", "Tries that got no connection.", counter_layout.CONNECT_ERRORS),
    _counter(
        "upstream_response_errors_total",
        "Tries that got a connection, but no whole and valid response.",
        counter_layout.RESPONSE_ERRORS,
    ),
    _counter(
        "upstream_timeouts_total",
        "Tries that ended because a backend took too long.",
        counter_layout.TIMEOUTS,
    ),
    _histogram(
        "upstream_head_seconds",
        "Time from the start of a try to its response's head.",
        counter_layout.HEAD,
        counter_layout.HEAD_TIME,
    ),
)
"""What was counted: as `pylb_...` by service, and as `pylb_backend_...` by backend. A request belongs to the
backend of its last try."""

CONNECT = _histogram(
    "upstream_connect_seconds",
    "Time that opening a connection to a backend took.",
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
"""Without buckets: connections are opened seldom, and a thousand backends would have 17,000 lines more."""

TERMINATIONS = Family(
    "terminations_total",
    "counter",
    "Requests that did not end as they should, by the termination code that the access log has too.",
    itemgetter(*counter_layout.TERMINATION_CELL.values()),
    tuple(("", f'code="{code}"') for code in counter_layout.TERMINATIONS),
)
"""By service only: a refused request has no backend, and other failures are counted by backend already."""

BACKEND_NOW = (
    Family("backend_requests_in_flight", "gauge", "Requests on a backend.", attrgetter("inflight")),
    Family(
        "backend_connections_idle",
        "gauge",
        "Open connections to a backend without a request.",
        lambda backend: len(backend.idle),
    ),
    Family("backend_weight", "gauge", "Share of traffic relative to its peers.", attrgetter("weight")),
)

DISCOVERY = (
    Family(
        "discovery_up",
        "gauge",
        "Whether the registry's last answer could be used.",
        lambda watch: int(watch.answered is not None and not watch.error),
    ),
    Family("discovery_errors_total", "counter", "Failures to get an answer.", attrgetter("errors")),
    Family("discovery_generation", "gauge", "Changes that were applied.", attrgetter("generation")),
    Family("discovery_index", "gauge", "Consul's index of the last answer.", attrgetter("index")),
    Family(
        "discovery_held_instances",
        "gauge",
        "Instances that get requests although the registry does not vouch for them at present.",
        attrgetter("retained"),
    ),
)


def _number(name: str, kind: str, text: str) -> Family:
    """A family whose rows are the numbers themselves."""
    return Family(name, kind, text, lambda number: number)


BUILD = _number("build_info", "gauge", "Always 1; the labels say what runs.")
CONNECTIONS = _number("client_connections", "gauge", "Clients that are connected.")
PROCESSES = (
    _counter("client_connections_cut_total", "Connections that had not ended when they had to.", gauges.CUT),
    _counter("access_log_lines_dropped_total", "Lines lost to a slow reader.", gauges.LINES_DROPPED),
    _counter("restarts_total", "Processes replaced because they had ended unasked.", gauges.RESTARTS),
    _counter("task_crashes_total", "Background tasks that crashed and were started again.", gauges.CRASHES),
    _counter("requests_lost_total", "Requests in flight in a process when it died.", gauges.LOST),
)
"""What processes count of themselves."""
WORKERS = _number("workers", "gauge", "Processes that take requests and are told of changes.")
BACKENDS = _number("backends", "gauge", "Backends by state.")
PANICS = _number("panic", "gauge", "Whether so few backends are fit that failures are overlooked.")
QUEUED = _number("queue_requests", "gauge", "Requests that wait for a backend with room.")
POOL_EVENTS = _number("pool_events_total", "counter", "What failures and limits did to the pools, by kind.")
AGE = _number("discovery_age_seconds", "gauge", "Time since the registry last answered.")
GUARDS = _number("guards_total", "counter", "Times that a guard acted on an answer.")
DEPARTURES = _number("endpoint_removals_total", "counter", "Instances that got no more requests, by cause.")


APPLIED = _propagation(
    "propagation_applied_seconds", "Time from the registry's answer until the pools went by it."
)
ROUTED = _propagation(
    "propagation_routed_seconds",
    "Time from the registry's answer until a request had gone to an instance that it added, under traffic.",
)


class Watched(Protocol):
    """What a watch tells of itself; `discovery.status.WatchStatus` says what each means."""

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
        """Seconds since the last usable answer; None: there was none yet."""


def processes(block: SharedCounters, workers: int) -> Iterator[str]:
    """What concerns the processes as such. `workers`: how many take requests."""
    yield BUILD.text([(labels(version=__version__, python=python_version()), 1)])
    yield WORKERS.text([("", workers)])
    yield CONNECTIONS.text([("", sum(block.gauge(gauges.PROCESS, gauges.CLIENTS)))])
    totals = block.total(gauges.PROCESS)
    for family in PROCESSES:
        yield family.text([("", totals)])


def traffic(counters: Counters) -> Iterator[str]:
    """What was counted, family by family."""
    services, backends = counters.read()
    by_service = [(labels(service=service), totals) for service, totals in services.items()]
    by_backend = [(labels(service=s, backend=b), totals) for (s, b), totals in backends.items()]
    for family in (*COUNTED, CONNECT):
        yield family.text(by_service)
    for family in (*COUNTED, CONNECT_BY_BACKEND):
        yield family.text(by_backend, "pylb_backend_")
    yield TERMINATIONS.text(by_service)
    yield POOL_EVENTS.text(
        [
            (labels(service=service, event=event), totals[counter_layout.EVENT + place])
            for service, totals in services.items()
            for place, event in enumerate(counter_layout.EVENTS)
        ]
    )


def pools(pools: Collection[Pool]) -> Iterator[str]:
    """Who is in the pools, and what runs there at this moment."""
    states, rows = [], []
    for pool in pools:
        weightless = sum(backend.weight <= 0 for backend in pool.backends.values())
        marked = Counter(backend.state for backend in pool.backends.values())
        for state, number in (
            ("up", marked[State.UP] - weightless),
            ("suspect", marked[State.SUSPECT]),
            ("ejected", marked[State.EJECTED]),
            ("probation", marked[State.HALF_OPEN]),
            ("failed", marked[State.FAILED]),
            ("zero_weight", weightless),
            ("draining", len(pool.draining)),
            ("excluded", len(pool.snapshot.excluded) if pool.snapshot else 0),
        ):
            states.append((labels(service=pool.service, state=state), number))
        present = {b.name: b for b in (*pool.draining.values(), *pool.backends.values())}
        rows += [(labels(service=pool.service, backend=name), backend) for name, backend in present.items()]
    yield BACKENDS.text(states)
    yield PANICS.text([(labels(service=pool.service), int(pool.panics)) for pool in pools])
    yield QUEUED.text([(labels(service=pool.service), pool.waiting) for pool in pools])
    for family in BACKEND_NOW:
        yield family.text(rows)


def changes(recorded: History) -> Iterator[str]:
    """How long changes took to reach requests."""
    for family, histograms in ((APPLIED, recorded.applied), (ROUTED, recorded.routed)):
        yield family.text([(labels(service=service), each) for service, each in histograms.items()])


def discovery(watches: Iterable[Watched], now: float) -> Iterator[str]:
    """How fresh the knowledge is. `now`: monotonic seconds."""
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
    yield DEPARTURES.text(
        [
            (f"{name},{labels(cause=cause)}", number)
            for name, watch in rows
            for cause, number in watch.removals.items()
        ],
    )

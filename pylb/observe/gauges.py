"""The layout of the gauges, and of the slot with the counters of the processes themselves.

A gauge is a current value of one backend in one process. Only that process writes it; it is reset to 0 after
the process has ended. Counters, in contrast, are kept (see `observe.counter_layout`). This module contains
constants only.

An exported value of the processes is one declaration: `NAME: Final = _gauge(metric, help)`, or `_counter`.
Its index and its metric derive from it. Code that writes it uses the name:
`shared.gauge(PROCESS, NAME)[shared.row] = value`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pylb.observe.counter_layout import Counter

IN_FLIGHT: Final = 0
"""Requests on a backend."""
IDLE: Final = 1
"""Idle connections to a backend, at most a second old."""
STATE: Final = 2
"""The state of a backend by passive health checks: an index of `worker_counters.TRAFFIC_STATES`."""
FAILURES: Final = 3
"""Consecutive failures of a backend."""
UNTIL: Final = 4
"""The end of a backend's suspension, in monotonic milliseconds; 0 if it is not suspended."""
WITHHELD: Final = 5
"""Thousandths of a backend's weight that slow start withholds; 0 if the full weight applies."""
HTTP2_CONNECTIONS: Final = 6
"""Connections with HTTP/2 to a backend, at most a second old."""
HTTP2_REQUESTS: Final = 7
"""Requests on these connections, at most a second old."""
PANICS: Final = 0
"""In the slot of a service: whether its pool is in panic mode."""
QUEUED: Final = 1
"""In the slot of a service: requests that wait for a backend below its limit."""

PROCESS: Final = 0
"""The slot of the processes themselves, which belongs to no backend and no service. Its gauges follow."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """An exported gauge of that slot: its index, and the metric that exports the sum over all processes."""

    index: int
    name: str
    """The name of the metric without its prefix, `pylb_`."""
    help: str


_gauges: list[Gauge] = []
_counters: list[Counter] = []


def _gauge(name: str, help: str) -> int:  # noqa: A002 - as in the text format
    """Declare the next gauge of the processes; return its index."""
    _gauges.append(Gauge(len(_gauges), name, help))
    return _gauges[-1].index


def _counter(name: str, help: str) -> int:  # noqa: A002 - as in the text format
    """Declare the next counter of the processes; return its index."""
    _counters.append(Counter(len(_counters), name, help))
    return _counters[-1].index


CLIENTS: Final = _gauge("client_connections", "Open client connections.")
"""At most a second old, as are the next two."""
HTTP2_CLIENTS: Final = _gauge("http2_connections", "Open client connections with HTTP/2.")
HTTP2_STREAMS: Final = _gauge("http2_streams", "Requests in progress on client connections with HTTP/2.")

PROCESS_GAUGES: Final = tuple(_gauges)
"""The exported gauges of that slot. Gauges that are not exported follow."""
SLOTS: Final = len(PROCESS_GAUGES)
"""Number of slots in use; only control sets it, and its successor needs it."""
SERVES: Final = SLOTS + 1
"""Whether a worker uses the row."""
CRASHED: Final = SERVES + 1
"""Time of the last crash of a background task, in monotonic milliseconds; 0 if there was none."""
HEARTBEAT: Final = CRASHED + 1
"""Time of the last heartbeat of the process, in monotonic milliseconds."""

GAUGES: Final = 1 + max(HTTP2_REQUESTS, QUEUED, HEARTBEAT)
"""Number of gauges per slot and process."""

LINES_DROPPED: Final = _counter(
    "access_log_lines_dropped_total", "Access log lines dropped because their reader was too slow."
)
CUT: Final = _counter("client_connections_cut_total", "Connections cut off at the end of the drain time-out.")
RESTARTS: Final = _counter("restarts_total", "Processes restarted after an unexpected end.")
LOST: Final = _counter("requests_lost_total", "Requests in flight in a process when it died.")
CRASHES: Final = _counter("task_crashes_total", "Crashes of background tasks, which are restarted.")

COUNTERS: Final = tuple(_counters)
"""The exported counters of that slot."""
HUNG: Final = len(COUNTERS)
"""Time at which a hung process was last killed, in monotonic milliseconds; only the supervisor sets it."""

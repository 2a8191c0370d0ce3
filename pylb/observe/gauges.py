"""The layout of the gauges, and of the slot with the counters of the processes themselves.

A gauge is a current value of one backend in one process. Only that process writes it; it is reset to 0 after
the process has ended. Counters, in contrast, are kept (see `observe.counter_layout`). This module contains
constants only.
"""

from __future__ import annotations

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
GAUGES: Final = 6
"""Number of gauges per slot and process."""

PANICS: Final = 0
"""In the slot of a service: whether its pool is in panic mode."""
QUEUED: Final = 1
"""In the slot of a service: requests that wait for a backend below its limit."""

PROCESS: Final = 0
"""The slot of the processes themselves, which belongs to no backend and no service. Its gauges follow."""
CLIENTS: Final = 0
"""Client connections, at most a second old."""
SLOTS: Final = 1
"""Number of slots in use; only control sets it."""
SERVES: Final = 2
"""Whether a worker uses the row."""
CRASHED: Final = 3
"""Time of the last crash of a background task, in monotonic milliseconds; 0 if there was none."""
HEARTBEAT: Final = 4
"""Time of the last heartbeat of the process, in monotonic milliseconds."""

LINES_DROPPED: Final = 0
CUT: Final = 1
RESTARTS: Final = 2
LOST: Final = 3
CRASHES: Final = 4
COUNTERS: Final = (
    Counter(
        LINES_DROPPED,
        "access_log_lines_dropped_total",
        "Access log lines dropped because their reader was too slow.",
    ),
    Counter(CUT, "client_connections_cut_total", "Connections cut off at the end of the drain time-out."),
    Counter(RESTARTS, "restarts_total", "Processes restarted after an unexpected end."),
    Counter(LOST, "requests_lost_total", "Requests in flight in a process when it died."),
    Counter(CRASHES, "task_crashes_total", "Crashes of background tasks, which are restarted."),
)
"""The exported counters of that slot."""
HUNG: Final = 5
"""Time at which a hung process was last killed, in monotonic milliseconds; only the supervisor sets it."""

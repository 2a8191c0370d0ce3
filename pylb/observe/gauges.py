"""The layout of the gauges, and of the slot in which processes count what concerns no service.

A gauge says what is true at this moment, of one backend in one process. It belongs to whoever writes it, and
is set back to 0 when that process has ended. Counters are kept (see `observe.cells`).
"""

from __future__ import annotations

from typing import Final

IN_FLIGHT: Final = 0
"""Requests on a backend."""
IDLE: Final = 1
"""Open connections to a backend without a request, a second old at most."""
STANDING: Final = 2
"""Where traffic has put a backend: a place in `observe.assigned.STANDINGS`."""
FAILURES: Final = 3
"""Its failures in a row."""
UNTIL: Final = 4
"""When it is to be used again, in monotonic milliseconds; 0: it is used."""
GAUGES: Final = 5
"""How many gauges there are per slot and process."""

PANICS: Final = 0
"""Of the slot of a service: whether its pool panics."""
QUEUED: Final = 1
"""How many of its requests wait for a backend with room."""

PROCESS: Final = 0
"""The slot that belongs to no backend and no service, but to the processes themselves. Its gauges: """
CLIENTS: Final = 0
"""Clients that are connected, a second old at most."""
SLOTS: Final = 1
"""How many slots have been given away; control alone sets it."""
SERVES: Final = 2
"""Whether a worker has that row."""
CRASHED: Final = 3
"""When a background task of the process crashed last, in monotonic milliseconds; 0: none has."""
HEARTBEAT: Final = 4
"""When the process last showed that it works, in monotonic milliseconds."""

LINES_DROPPED: Final = 0
"""The first of that slot's counters: lines of the access log that were lost to a slow reader."""
CUT: Final = 1
"""Connections that had not ended when the time for draining was over."""
RESTARTS: Final = 2
"""Processes that were started to replace one that had ended unasked."""
LOST: Final = 3
"""Requests that were in flight in a process when it died."""
CRASHES: Final = 4
"""Background tasks that crashed."""
HUNG: Final = 5
"""When a process that hung was ended last, in monotonic milliseconds; only the supervisor sets it."""

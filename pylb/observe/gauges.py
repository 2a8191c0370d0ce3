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
GAUGES: Final = 2
"""How many gauges there are per slot and process."""

PROCESS: Final = 0
"""The slot that belongs to no backend and no service, but to the processes themselves. Its gauges: """
CLIENTS: Final = 0
"""Clients that are connected, a second old at most."""
SLOTS: Final = 1
"""How many slots have been given away; control alone sets it."""

REFUSED: Final = 0
"""The first of that slot's counters: connections answered with 503 because there were too many."""
LINES_DROPPED: Final = 1
"""Lines of the access log that were lost to a slow reader."""
CUT: Final = 2
"""Connections that had not ended when the time for draining was over."""
RESTARTS: Final = 3
"""Processes that were started to replace one that had ended unasked."""
LOST: Final = 4
"""Requests that were in flight in a process when it died."""

"""Background tasks that crashed, for `/api/problems`, metrics and tests.

A crash is a defect. The task is restarted, but the crash must remain visible: it is reported as a problem for
`REPORTED` seconds, and counted permanently.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

from pylb.observe.gauges import CRASHED, CRASHES, HUNG, PROCESS
from pylb.observe.shared_counters import SharedCounters

REPORTED = 600.0
"""Seconds for which a crash is reported as a problem."""


@dataclass(slots=True)
class Crash:
    """The crashes of one task."""

    task: str
    error: str
    """The text of the last error."""
    count: int
    at: float
    """The time of the last crash, in monotonic seconds."""


class Crashes:
    """The crashes of one process. Workers also write them to shared memory, where control reads them.

    Args:
        shared: the memory of the counters.
    """

    def __init__(self, shared: SharedCounters | None = None) -> None:
        self._shared = shared
        self._by_task: dict[str, Crash] = {}

    def add(self, task: str, error: BaseException) -> None:
        """Record a crash of a task."""
        now = monotonic()
        former = self._by_task.get(task)
        count = former.count + 1 if former else 1
        self._by_task[task] = Crash(task, f"{type(error).__name__}: {error}", count, now)
        if self._shared:
            self._shared.counters(PROCESS)[CRASHES] += 1
            self._shared.gauge(PROCESS, CRASHED)[self._shared.row] = int(now * 1000)

    def problems(self) -> Iterator[str]:
        """Yield a sentence for each recent crash, in this process and in those that share its memory."""
        now = monotonic()
        for crash in self._by_task.values():
            if (ago := now - crash.at) < REPORTED:
                times = f"crashed {crash.count} times, last" if crash.count > 1 else "crashed"
                yield f"the background task {crash.task!r} {times} {ago:.0f} s ago: {crash.error}"
        if not self._shared:
            return
        hung = self._shared.total(PROCESS)[HUNG]
        if hung and (ago := now - hung / 1000) < REPORTED:
            yield f"a hung process was replaced {ago:.0f} s ago; see the log for its stack trace"
        for row, at in enumerate(self._shared.gauge(PROCESS, CRASHED)):
            if at and row != self._shared.row and (ago := now - at / 1000) < REPORTED:
                yield f"a background task of a worker crashed {ago:.0f} s ago; see its log"

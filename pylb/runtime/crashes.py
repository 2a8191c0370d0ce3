"""Background tasks that crashed, for `/api/problems`, metrics and tests.

A crash is a defect, and the task is started again; what it cost until then must still be visible. A crash is
reported as a problem for `REPORTED` seconds, and counted for ever.
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
    """The last one, in words."""
    count: int
    at: float
    """When the last one happened, in monotonic seconds."""


class Crashes:
    """The crashes of one process. In a worker they are written to shared memory, where control reads them.

    Args:
        block: where they are counted.
    """

    def __init__(self, block: SharedCounters | None = None) -> None:
        self._block = block
        self._by_task: dict[str, Crash] = {}

    def add(self, task: str, error: BaseException) -> None:
        """Record one more crash of a task."""
        now = monotonic()
        former = self._by_task.get(task)
        count = former.count + 1 if former else 1
        self._by_task[task] = Crash(task, f"{type(error).__name__}: {error}", count, now)
        if self._block:
            self._block.cells(PROCESS)[CRASHES] += 1
            self._block.gauge(PROCESS, CRASHED)[self._block.row] = int(now * 1000)

    def problems(self) -> Iterator[str]:
        """A sentence for each recent crash: of this process, and of the others that share its memory."""
        now = monotonic()
        for crash in self._by_task.values():
            if (ago := now - crash.at) < REPORTED:
                times = f"crashed {crash.count} times, last" if crash.count > 1 else "crashed"
                yield f"the background task {crash.task!r} {times} {ago:.0f} s ago: {crash.error}"
        if not self._block:
            return
        hung = self._block.total(PROCESS)[HUNG]
        if hung and (ago := now - hung / 1000) < REPORTED:
            yield f"a process that hung was replaced {ago:.0f} s ago; the log says which, and where it hung"
        for row, at in enumerate(self._block.gauge(PROCESS, CRASHED)):
            if at and row != self._block.row and (ago := now - at / 1000) < REPORTED:
                yield f"a background task of a worker crashed {ago:.0f} s ago; its log says why"

"""The five states of a process, and the only way to start a background task in it.

Code that depends on the state of the process (readiness, signal handlers, tests) reads or awaits one
`Lifecycle`. Every background task is created by `spawn` or `keep_running`. It has a name, a reference that
prevents its garbage collection, a log line and a record if it crashes, and a scope that cancels it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from enum import Enum
from types import TracebackType
from typing import Any, TypeVar

from pylb.runtime.backoff import Backoff
from pylb.runtime.crashes import Crashes

T = TypeVar("T")

log = logging.getLogger("pylb")

STABLE = 60.0
"""Seconds without a crash after which the back-off of a task is reset."""


class ProcessState(Enum):
    """The states of a process in order, each with its name and its meaning for traffic."""

    STARTING = ("starting", "opening sockets; no client is served yet")
    SERVING = ("serving", "accepting connections and requests")
    LEAVING = (
        "leaving",
        "still accepting requests while /ready answers 503, so that clients are sent elsewhere",
    )
    DRAINING = ("draining", "accepting nothing new; finishing requests in flight")
    STOPPED = ("stopped", "no request is in flight and every connection is closed")

    def __init__(self, word: str, sentence: str) -> None:
        self.word = word
        self.sentence = sentence

    def __str__(self) -> str:
        return self.word


ORDER = tuple(ProcessState)


class Lifecycle:
    """The state of this process. It only moves forward, and every change is logged.

    Args:
        name: the name of the process in the log: `pylb`, `worker 2`, `control`.
        on_change: called with the name of each state that is entered.
    """

    def __init__(self, name: str = "pylb", on_change: Callable[[str], object] = lambda _: None) -> None:
        self.name = name
        self._on_change = on_change
        self.state = ProcessState.STARTING
        self._reached = {state: asyncio.Event() for state in ProcessState}
        self._reached[self.state].set()

    @property
    def serving(self) -> bool:
        """Whether this process should receive clients."""
        return self.state is ProcessState.SERVING

    def advance(self, to: ProcessState) -> None:
        """Enter the state `to`. States may be skipped; the present state is not announced again.

        Raises:
            ValueError: `to` precedes the present state: a draining process never serves again.
        """
        here, there = ORDER.index(self.state), ORDER.index(to)
        if there < here:
            raise ValueError(f"{self.name} is {self.state} and cannot become {to} again")
        if there == here:
            return
        self.state = to
        log.info("%s is %s: %s", self.name, to.word, to.sentence)
        self._on_change(to.word)
        for state in ORDER[: there + 1]:
            self._reached[state].set()

    async def wait(self, until: ProcessState) -> ProcessState:
        """Wait for `until` or any later state; return the state that was reached."""
        await self._reached[until].wait()
        return self.state

    def __repr__(self) -> str:
        return f"<Lifecycle {self.name}: {self.state}>"


class TaskScope:
    """Holds the tasks that `spawn` starts, and cancels them when it closes.

    Unlike in `asyncio.TaskGroup`, the crash of one task does not cancel the others: an error in one client's
    connection must not affect another connection.

        async with TaskScope("control") as scope:
            spawn(watch(), name="watch web", scope=scope)

    Args:
        name: for log lines.
        crashes: records crashes.
    """

    def __init__(self, name: str, crashes: Crashes | None = None) -> None:
        self.name = name
        self.crashes = crashes or Crashes()
        self.tasks: set[asyncio.Task[Any]] = set()
        self.closed = False

    async def close(self) -> None:
        """Cancel every task and wait for all to end. No task can be started afterwards."""
        self.closed = True
        tasks = self.tasks - {asyncio.current_task()}
        for task in tasks:
            task.cancel(f"{self.name} has ended")
        await asyncio.gather(*tasks, return_exceptions=True)

    async def __aenter__(self) -> TaskScope:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<TaskScope {self.name}: {len(self.tasks)} tasks{', closed' if self.closed else ''}>"

    def settle(self, task: asyncio.Task[Any]) -> None:
        """Remove a task that has ended; log and record its exception, if any."""
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.crashed(task.get_name(), error)

    def crashed(self, task: str, error: BaseException) -> None:
        """Log and record that a task crashed."""
        self.crashes.add(task, error)
        log.error("%s: task %r crashed: %r", self.name, task, error, exc_info=error)


def spawn(coroutine: Coroutine[Any, Any, T], *, name: str, scope: TaskScope) -> asyncio.Task[T]:
    """Run `coroutine` as a task of `scope`, in the running loop.

    Args:
        coroutine: the coroutine to run.
        name: the activity, for log lines and debuggers: `watch web`.
        scope: the scope that holds the task and cancels it when it closes.

    Raises:
        RuntimeError: the scope is closed.
    """
    if scope.closed:
        coroutine.close()
        raise RuntimeError(f"{scope.name} has ended, it cannot start {name!r}")
    task = asyncio.create_task(coroutine, name=name)  # noqa: TID251  # the one place where it is allowed
    scope.tasks.add(task)
    task.add_done_callback(scope.settle)
    return task


def keep_running(
    work: Callable[[], Coroutine[Any, Any, object]], *, name: str, scope: TaskScope
) -> asyncio.Task[None]:
    """Run `work()` as a task of `scope` until it returns; restart it after a crash, with back-off.

    Args:
        work: creates the coroutine for each run.
        name: the activity, for log lines, problems and debuggers: `watch web`.
        scope: the scope that holds the task and cancels it when it closes.

    Raises:
        RuntimeError: the scope is closed.
    """
    return spawn(_restarting(work, name, scope), name=name, scope=scope)


async def _restarting(work: Callable[[], Coroutine[Any, Any, object]], name: str, scope: TaskScope) -> None:
    now = asyncio.get_running_loop().time
    backoff = Backoff()
    while True:
        started = now()
        try:
            await work()
            return
        except asyncio.CancelledError as error:
            # A library may raise this although this task was not cancelled: that is also a crash.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            crash: BaseException = error
        except Exception as error:
            crash = error
        if (
            scope.closed
        ):  # `asyncio.TaskGroup` loses a cancellation if one of its tasks fails at the same time.
            return
        scope.crashed(name, crash)
        if now() - started > STABLE:
            backoff.reset()
        await asyncio.sleep(backoff.after(crash))

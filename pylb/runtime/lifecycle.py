"""A process's life as five states, and the one way to start a task in it.

Everything that must know where the process stands (readiness, signal handlers, tests) reads or awaits one
`Lifecycle`. Every background task is made by `spawn` or `keep_running`: it has a name, a reference that keeps
it from being collected half-way, a log line and a record if it crashes, and an owner that ends it.
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
"""Seconds that a task runs after which its next crash counts as the first one."""


class ProcessState(Enum):
    """Where a process stands, in the order of its life: the word for it, and what it means for traffic."""

    STARTING = ("starting", "sockets are being opened; no client is served yet")
    SERVING = ("serving", "new connections and requests are accepted")
    LEAVING = ("leaving", "requests are accepted, but /ready says no, so that nobody is sent here any more")
    DRAINING = ("draining", "nothing new is accepted; requests that run are finished")
    STOPPED = ("stopped", "no request runs and every connection is closed")

    def __init__(self, word: str, sentence: str) -> None:
        self.word = word
        self.sentence = sentence

    def __str__(self) -> str:
        return self.word


ORDER = tuple(ProcessState)


class Lifecycle:
    """The state of this process. It only ever moves forward, and says so in the log when it does.

    Args:
        name: what the log calls the process: `pylb`, `worker 2`, `control`.
        tell: called with the word for each state that is entered.
    """

    def __init__(self, name: str = "pylb", tell: Callable[[str], object] = lambda _: None) -> None:
        self.name = name
        self._tell = tell
        self.state = ProcessState.STARTING
        self._reached = {state: asyncio.Event() for state in ProcessState}
        self._reached[self.state].set()

    @property
    def serving(self) -> bool:
        """Whether clients should be sent here."""
        return self.state is ProcessState.SERVING

    def advance(self, to: ProcessState) -> None:
        """Move on to `to`; states between may be skipped, the present one is not announced again.

        Raises:
            ValueError: `to` lies in the past: a process that drains does not serve again.
        """
        here, there = ORDER.index(self.state), ORDER.index(to)
        if there < here:
            raise ValueError(f"{self.name} is {self.state} and cannot become {to} again")
        if there == here:
            return
        self.state = to
        log.info("%s is %s: %s", self.name, to.word, to.sentence)
        self._tell(to.word)
        for state in ORDER[: there + 1]:
            self._reached[state].set()

    async def wait(self, until: ProcessState) -> ProcessState:
        """Wait for `until`, or for any state after it; return the state that was found."""
        await self._reached[until].wait()
        return self.state

    def __repr__(self) -> str:
        return f"<Lifecycle {self.name}: {self.state}>"


class TaskScope:
    """Keeps the tasks that `spawn` gives it, and ends them when it ends.

    Unlike `asyncio.TaskGroup`, the crash of one task leaves its siblings running: an error in one client's
    connection must not touch another's.

        async with Owner("control") as owner:
            spawn(watch(), name="watch web", owner=owner)

    Args:
        name: for log lines.
        crashes: where crashes are recorded.
    """

    def __init__(self, name: str, crashes: Crashes | None = None) -> None:
        self.name = name
        self.crashes = crashes or Crashes()
        self.tasks: set[asyncio.Task[Any]] = set()
        self.closed = False

    async def close(self) -> None:
        """Cancel every task and wait for the last one to end. Nothing can be spawned here any more."""
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
        return f"<Owner {self.name}: {len(self.tasks)} tasks{', closed' if self.closed else ''}>"

    def settle(self, task: asyncio.Task[Any]) -> None:
        """Forget a task that has ended; log and record the exception that ended it, if any."""
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.crashed(task.get_name(), error)

    def crashed(self, task: str, error: BaseException) -> None:
        """Log and record that a task crashed."""
        self.crashes.add(task, error)
        log.error("%s: task %r crashed: %r", self.name, task, error, exc_info=error)


def spawn(coroutine: Coroutine[Any, Any, T], *, name: str, owner: TaskScope) -> asyncio.Task[T]:
    """Run `coroutine` as a task of `owner`, in the running loop.

    Args:
        coroutine: what to run.
        name: what it is doing, for log lines and debuggers: `watch web`.
        owner: keeps it, and cancels it when it ends itself.

    Raises:
        RuntimeError: the owner has ended.
    """
    if owner.closed:
        coroutine.close()
        raise RuntimeError(f"{owner.name} has ended, it cannot start {name!r}")
    task = asyncio.create_task(coroutine, name=name)  # noqa: TID251  # the one place where it is allowed
    owner.tasks.add(task)
    task.add_done_callback(owner.settle)
    return task


def keep_running(
    work: Callable[[], Coroutine[Any, Any, object]], *, name: str, owner: TaskScope
) -> asyncio.Task[None]:
    """Run `work()` as a task of `owner` until it returns. After a crash it is started again, with back-off.

    Args:
        work: makes what is run, each time anew.
        name: what it is doing, for log lines, problems and debuggers: `watch web`.
        owner: keeps it, and cancels it when it ends itself.

    Raises:
        RuntimeError: the owner has ended.
    """
    return spawn(_restarting(work, name, owner), name=name, owner=owner)


async def _restarting(work: Callable[[], Coroutine[Any, Any, object]], name: str, owner: TaskScope) -> None:
    now = asyncio.get_running_loop().time
    backoff = Backoff()
    while True:
        started = now()
        try:
            await work()
            return
        except asyncio.CancelledError as error:
            # A library may raise this although nothing has cancelled this task: that is a crash, too.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            crash: BaseException = error
        except Exception as error:
            crash = error
        owner.crashed(name, crash)
        if now() - started > STABLE:
            backoff.reset()
        await asyncio.sleep(backoff.after(crash))

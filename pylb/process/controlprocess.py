"""`pylb control`: the process that knows. The supervisor starts it.

Discovery, metrics and the admin server are here, and nothing that a request has to wait for. When it dies,
the workers go on with what they know, and the supervisor starts another one, which finds in the state file
what this one knew.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import replace
from pkgutil import resolve_name
from time import monotonic
from typing import TYPE_CHECKING, Any

import uvloop

from pylb.admin.views import View
from pylb.config import Options
from pylb.config.option import in_force
from pylb.model import Snapshot
from pylb.observe.counters import Counters
from pylb.policy.route import Routes
from pylb.process.control import Control
from pylb.process.crashes import Crashes
from pylb.process.ipc.hub import Hub
from pylb.process.ipc.lifeline import Lifeline
from pylb.process.lifecycle import Lifecycle, Owner, ProcessState, keep_running, spawn
from pylb.process.logs import log_to_stderr, set_log_level, trace_fatal_signals
from pylb.process.overview import Overview
from pylb.process.pools import read_routes
from pylb.process.supervision.child import PREPARED
from pylb.process.supervision.inheritance import Inheritance
from pylb.process.takeover import take_over

if TYPE_CHECKING:
    from pylb.process.registration import Leave

UNROUTED = ""
"""The service of requests that are for none."""

RECEPTION = "pylb.process.reception:reception"
"""Workers may be waiting for the first snapshot: what they do not need is loaded after it."""

RECENT = 50
"""Entries of the history that outlive a control that is killed. To write all of them at each change would
take longer than the change; a control that ends in order writes them all."""

HEARTBEAT = 1.0
"""Seconds between two heartbeats."""

PATIENCE = 1.0
"""Seconds that workers have to come over from the control before."""

WORDS = {state.word: state for state in ProcessState}


def run(options: Options) -> int:
    """Know, until told to stop."""
    inheritance = Inheritance.take()
    log_to_stderr(options.log_level, inheritance.name)
    trace_fatal_signals()  # The watchdog aborts a control that hangs.
    lifeline = Lifeline(socket.socket(fileno=inheritance.lifeline))
    if inheritance.relieves:
        resolve_name(RECEPTION)
        lifeline.tell(PREPARED)
        lifeline.wait()
    return uvloop.run(_run(options, inheritance, lifeline))


async def _run(options: Options, inheritance: Inheritance, lifeline: Lifeline) -> int:
    return await ControlProcess(options, inheritance, lifeline).run()


class ControlProcess:
    """Control with what ties it to the other processes.

    Args:
        options: what the user wants.
        inheritance: what the supervisor gave it.
        lifeline: to the supervisor.
    """

    def __init__(self, options: Options, inheritance: Inheritance, lifeline: Lifeline) -> None:
        self.options = options
        self.inheritance = inheritance
        self.lifeline = lifeline
        self.lifecycle = Lifecycle()
        self._file = inheritance.state_file
        state = self._file.read()
        routes = read_routes(options)
        services = list(dict.fromkeys(route.service for route in routes))
        self.counters = Counters(
            inheritance.memory.block(inheritance.row), monotonic, state.counters if state else None
        )
        self.crashes = Crashes(self.counters.block)
        self.overview = Overview(options, services, self.counters)
        self.hub = Hub(socket.socket(fileno=inheritance.door))
        self.control = Control(
            options,
            services,
            self.deliver,
            self.counters,
            state.control if state else None,
            standing=self.overview.standing,
            speak=self.speak,
        )
        take_over(self.control, inheritance.predecessor)
        for update in state.updates if state else ():
            if update.snapshot and update.service in services:
                self.overview.apply(update.snapshot)
        for service in services:
            self.hub.publish(self.overview.update(service))
        self.speak(self.control.log_level)
        self.view = View(
            lifecycle=self.lifecycle,
            pools=self.overview.pools,
            watches={service: watch.status for service, watch in self.control.watches.items()},
            counters=self.counters,
            clock=monotonic,
            refresh=self.overview.refresh,
            workers=self._workers,
            routes=Routes(routes, self.overview.pools),
            history=self.control.recorder.history,
            samples=self.control.recorder.samples,
            overrides=self.control.operator.overrides,
            config=in_force(options),
            max_age=options.ready_max_age,
            crashes=self.crashes.problems,
        )
        self._may_be_asked = asyncio.Event()
        """While another pylb still answers at the same admin address, this one must not."""
        if not inheritance.successor:
            self._may_be_asked.set()
        self._stop = asyncio.Event()

    def deliver(self, snapshot: Snapshot, applied: Callable[[], None]) -> None:
        """Let all workers go by a snapshot; whoever starts later will, too."""
        self.overview.apply(snapshot)
        self.hub.publish(self.overview.update(snapshot.service), applied)
        self._remember()

    def speak(self, level: str) -> None:
        """Let all processes say as much in the log; the supervisor says little anyway."""
        set_log_level(level)
        self.hub.publish(replace(self.overview.update(UNROUTED), log_level=level))
        self._remember()

    async def run(self) -> int:
        """Know, until told to stop; return the exit code."""
        async with AsyncExitStack() as stack:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGQUIT):
                loop.add_signal_handler(number, self._end)
            for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
                loop.add_signal_handler(number, lambda: None)
            self.lifeline.listen(loop, self._heard, self._end)
            owner = await stack.enter_async_context(Owner("control", self.crashes))
            keep_running(self._beat, name="heartbeat", owner=owner)
            self.hub.open(owner)
            stack.callback(self.hub.close)
            self.control.start(owner)
            self.lifeline.tell(ProcessState.SERVING.word)
            await self.control.looked()
            await self._may_be_asked.wait()
            if self.inheritance.relieves:
                # Workers serve, and come over in a moment: nobody should hear from us that there are none.
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.hub.joined.wait(), PATIENCE)
            reception: Callable[..., AbstractAsyncContextManager[Leave]] = resolve_name(RECEPTION)
            admin, _ = self.inheritance.sockets()
            opened = reception(self.options, self.view, self.control.operator, admin, owner)
            leave = await stack.enter_async_context(opened)
            spawn(self._depart(leave), name="depart", owner=owner)
            gc.collect()
            gc.freeze()  # What is here now lives as long as the process.
            await self._stop.wait()
        self._remember(None)  # For the control, or the pylb, that comes after this one.
        return 0

    def _workers(self) -> list[dict[str, Any]]:
        """The workers that serve, and how many seconds ago each of them last showed that it works."""
        workers, now = self.hub.serving(), monotonic()
        for worker in workers:
            heartbeat = self.counters.block.heartbeat(worker.pop("row"))
            worker["heartbeat_age"] = round(now - heartbeat / 1000, 3)
        return workers

    async def _beat(self) -> None:
        """Show the supervisor that this process works."""
        while True:
            self.counters.block.beat(monotonic())
            await asyncio.sleep(HEARTBEAT)

    async def _depart(self, leave: Leave) -> None:
        """When all of pylb is about to end: be found no more, and say so to the supervisor, which waits."""
        await self.lifecycle.wait(ProcessState.LEAVING)
        await leave()
        self.lifeline.tell(ProcessState.LEAVING.word)

    def _heard(self, word: str) -> None:
        """The supervisor says where all of pylb stands."""
        if self.lifecycle.state is ProcessState.STARTING and WORDS[word] is ProcessState.SERVING:
            take_over(self.control, self.inheritance.predecessor)
        self.lifecycle.advance(WORDS[word])
        if self.lifecycle.state is not ProcessState.STARTING:
            self._may_be_asked.set()

    def _end(self) -> None:
        self._stop.set()
        self._may_be_asked.set()

    def _remember(self, entries: int | None = RECENT) -> None:
        self._file.write(self.hub.updates, self.counters.remember(), self.control.remember(entries))

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
from pylb.assembly.pools import read_routes, services_of
from pylb.config import Options
from pylb.config.option import in_force
from pylb.control.aggregate import Aggregate
from pylb.control.control import Control
from pylb.control.takeover import take_over
from pylb.ipc.bootstrap import Bootstrap
from pylb.ipc.control_server import ControlServer
from pylb.ipc.supervisor_pipe import PREPARED, SupervisorPipe
from pylb.model import PoolState
from pylb.observe.counters import Counters
from pylb.routes.table import RouteTable
from pylb.runtime.crashes import Crashes
from pylb.runtime.lifecycle import Lifecycle, ProcessState, TaskScope, keep_running, spawn
from pylb.runtime.logs import log_to_stderr, set_log_level, trace_fatal_signals

if TYPE_CHECKING:
    from pylb.control.registration import Leave

UNROUTED = ""
"""The service of requests that are for none."""

ADMIN_ENDPOINT = "pylb.control.admin_endpoint:admin_endpoint"
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
    bootstrap = Bootstrap.take()
    log_to_stderr(options.log_level, bootstrap.name)
    trace_fatal_signals()  # The watchdog aborts a control that hangs.
    supervisor_pipe = SupervisorPipe(socket.socket(fileno=bootstrap.supervisor_pipe))
    if bootstrap.replaces:
        resolve_name(ADMIN_ENDPOINT)
        supervisor_pipe.tell(PREPARED)
        supervisor_pipe.wait()
    return uvloop.run(_run(options, bootstrap, supervisor_pipe))


async def _run(options: Options, bootstrap: Bootstrap, supervisor_pipe: SupervisorPipe) -> int:
    return await ControlProcess(options, bootstrap, supervisor_pipe).run()


class ControlProcess:
    """Control with what ties it to the other processes.

    Args:
        options: what the user wants.
        bootstrap: what the supervisor gave it.
        supervisor_pipe: to the supervisor.
    """

    def __init__(self, options: Options, bootstrap: Bootstrap, supervisor_pipe: SupervisorPipe) -> None:
        self.options = options
        self.bootstrap = bootstrap
        self.supervisor_pipe = supervisor_pipe
        self.lifecycle = Lifecycle()
        self._file = bootstrap.state_file
        self._remembering: asyncio.Handle | None = None
        state = self._file.read()
        routes = read_routes(options)
        services = services_of(routes)
        self.counters = Counters(
            bootstrap.memory.block(bootstrap.row), monotonic, state.counters if state else None
        )
        self.crashes = Crashes(self.counters.block)
        self.aggregate = Aggregate(options, services, self.counters)
        self.control_server = ControlServer(socket.socket(fileno=bootstrap.control_socket))
        self.control = Control(
            options,
            services,
            self.deliver,
            self.counters,
            state.control if state else None,
            state_of=self.aggregate.state_of,
            set_log_level_everywhere=self.set_log_level_everywhere,
        )
        take_over(self.control, bootstrap.predecessor)
        for update in state.updates if state else ():
            if update.state and update.service in services:
                self.aggregate.apply(update.state)
        for service in services:
            self.control_server.publish(self.aggregate.update(service))
        self.set_log_level_everywhere(self.control.log_level)
        self.view = View(
            lifecycle=self.lifecycle,
            pools=self.aggregate.pools,
            watches={service: each.status for service, each in self.control.pipelines.items()},
            counters=self.counters,
            clock=monotonic,
            refresh=self.aggregate.refresh,
            workers=self._workers,
            routes=RouteTable(routes, self.aggregate.pools),
            history=self.control.recorder.history,
            samples=self.control.recorder.samples,
            overrides=self.control.override_store.overrides,
            config=in_force(options),
            max_age=options.ready_max_age,
            crashes=self.crashes.problems,
        )
        self._may_be_asked = asyncio.Event()
        """While another pylb still answers at the same admin address, this one must not."""
        if not bootstrap.successor:
            self._may_be_asked.set()
        self._stop = asyncio.Event()

    def deliver(self, state: PoolState, applied: Callable[[], None]) -> None:
        """Send the state of a pool to all workers, and to those that start later."""
        self.aggregate.apply(state)
        self.control_server.publish(self.aggregate.update(state.service), applied)
        self._remember_soon()

    def set_log_level_everywhere(self, level: str) -> None:
        """Let all processes say as much in the log; the supervisor says little anyway."""
        set_log_level(level)
        self.control_server.publish(replace(self.aggregate.update(UNROUTED), log_level=level))
        self._remember_soon()

    async def run(self) -> int:
        """Know, until told to stop; return the exit code."""
        async with AsyncExitStack() as stack:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGQUIT):
                loop.add_signal_handler(number, self._end)
            for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
                loop.add_signal_handler(number, lambda: None)
            self.supervisor_pipe.listen(loop, self._heard, self._end)
            owner = await stack.enter_async_context(TaskScope("control", self.crashes))
            keep_running(self._beat, name="heartbeat", owner=owner)
            self.control_server.open(owner)
            stack.callback(self.control_server.close)
            self.control.start(owner)
            self.supervisor_pipe.tell(ProcessState.SERVING.word)
            await self.control.first_result()
            await self._may_be_asked.wait()
            if self.bootstrap.replaces:
                # Workers serve, and come over in a moment: nobody should hear from us that there are none.
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.control_server.joined.wait(), PATIENCE)
            admin_endpoint: Callable[..., AbstractAsyncContextManager[Leave]] = resolve_name(ADMIN_ENDPOINT)
            admin, _ = self.bootstrap.sockets()
            opened = admin_endpoint(self.options, self.view, self.control.override_store, admin, owner)
            leave = await stack.enter_async_context(opened)
            spawn(self._depart(leave), name="depart", owner=owner)
            gc.collect()
            gc.freeze()  # What is here now lives as long as the process.
            await self._stop.wait()
        self._remember(None)  # For the control, or the pylb, that comes after this one.
        return 0

    def _workers(self) -> list[dict[str, Any]]:
        """The workers that serve, and how many seconds ago each of them last showed that it works."""
        workers, now = self.control_server.serving(), monotonic()
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
        self.supervisor_pipe.tell(ProcessState.LEAVING.word)

    def _heard(self, word: str) -> None:
        """The supervisor says where all of pylb stands."""
        if self.lifecycle.state is ProcessState.STARTING and WORDS[word] is ProcessState.SERVING:
            take_over(self.control, self.bootstrap.predecessor)
        self.lifecycle.advance(WORDS[word])
        if self.lifecycle.state is not ProcessState.STARTING:
            self._may_be_asked.set()

    def _end(self) -> None:
        self._stop.set()
        self._may_be_asked.set()

    def _remember_soon(self) -> None:
        """Write the state file when the workers have been sent the change, once for several changes."""
        if self._remembering is None:
            self._remembering = asyncio.get_running_loop().call_soon(self._remember)

    def _remember(self, entries: int | None = RECENT) -> None:
        if self._remembering is not None:
            self._remembering.cancel()
            self._remembering = None
        self._file.write(
            self.control_server.updates, self.counters.remember(), self.control.remember(entries)
        )

"""`pylb control`: the control process, which the supervisor starts.

It connects the control plane with the supervisor, the state file and the admin endpoint. No request
waits for it. When it dies, the workers continue with their last states, and the supervisor starts another
control process, which continues from the state file.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from pkgutil import resolve_name
from time import monotonic
from typing import TYPE_CHECKING, Any

import uvloop

from pylb.admin.views import View
from pylb.config import Options
from pylb.config.option import in_force
from pylb.control.plane import ControlPlane
from pylb.control.state_writer import StateWriter
from pylb.control.takeover import take_over
from pylb.ipc.bootstrap import Bootstrap
from pylb.ipc.control_server import ControlServer
from pylb.ipc.supervisor_pipe import PREPARED, SupervisorPipe
from pylb.observe.counters import Counters
from pylb.runtime.crashes import Crashes
from pylb.runtime.lifecycle import Lifecycle, ProcessState, TaskScope, keep_running, spawn
from pylb.runtime.logs import log_to_stderr, trace_fatal_signals

if TYPE_CHECKING:
    from pylb.control.registration import Leave

ADMIN_ENDPOINT = "pylb.control.admin_endpoint:admin_endpoint"
"""Imported after the first snapshots, since workers may be waiting for these."""

HEARTBEAT = 1.0
"""Seconds between two heartbeats."""

JOIN_TIMEOUT = 1.0
"""Seconds that workers have to connect to this process after the one before has ended."""

WORDS = {state.word: state for state in ProcessState}


def run(options: Options) -> int:
    """Run until the supervisor stops the process."""
    bootstrap = Bootstrap.take()
    log_to_stderr(options.log_level, bootstrap.name)
    trace_fatal_signals()  # The watchdog aborts a control that hangs.
    supervisor_pipe = SupervisorPipe(socket.socket(fileno=bootstrap.supervisor_pipe))
    if bootstrap.replaces:
        resolve_name(ADMIN_ENDPOINT)
        supervisor_pipe.send(PREPARED)
        supervisor_pipe.wait()
    return uvloop.run(_run(options, bootstrap, supervisor_pipe))


async def _run(options: Options, bootstrap: Bootstrap, supervisor_pipe: SupervisorPipe) -> int:
    return await ControlProcess(options, bootstrap, supervisor_pipe).run()


class ControlProcess:
    """The control plane with its connections to the other processes.

    Args:
        options: the options of pylb.
        bootstrap: the descriptors and memory from the supervisor.
        supervisor_pipe: the connection to the supervisor.
    """

    def __init__(self, options: Options, bootstrap: Bootstrap, supervisor_pipe: SupervisorPipe) -> None:
        self.options = options
        self.bootstrap = bootstrap
        self.supervisor_pipe = supervisor_pipe
        self.lifecycle = Lifecycle()
        self._file = bootstrap.state_file
        self._state_writer = StateWriter(self._write_state)
        state = self._file.read()
        memory = bootstrap.memory.attach(bootstrap.row)
        self.counters = Counters(memory, monotonic, state.counters if state else None)
        self.crashes = Crashes(self.counters.shared)
        self.control_server = ControlServer(
            socket.socket(fileno=bootstrap.control_socket), options.record_requests
        )
        self.plane = ControlPlane(
            options,
            self.counters,
            self.control_server,
            state,
            predecessor=bootstrap.predecessor,
            changed=self._state_writer.write_soon,
        )
        self.control = self.plane.control
        self._may_open_admin = asyncio.Event()
        """Set when no other pylb serves the same admin address any more."""
        if not bootstrap.successor:
            self._may_open_admin.set()
        self._stop = asyncio.Event()

    def _view(self) -> View:
        """Return what the admin endpoint shows."""
        plane, control, server = self.plane, self.control, self.control_server
        return View(
            lifecycle=self.lifecycle,
            rows=plane.aggregate,
            watches=plane.services.statuses,
            counters=self.counters,
            clock=monotonic,
            workers=self._workers,
            table=lambda: plane.routing.table,
            prepare=plane.routing.compile,
            declared=plane.routing.declarations.get,
            declaration_problems=lambda: plane.routing.problems,
            declarations=server.routing,
            route_totals=server.route_totals.totals,
            routing_generation=lambda: server.routing_generation,
            requests=server.requests if self.options.record_requests else None,
            history=control.recorder.history,
            samples=control.recorder.samples,
            overrides=control.override_store.overrides,
            config=in_force(self.options),
            max_age=self.options.ready_max_age,
            crashes=self.crashes.problems,
        )

    async def run(self) -> int:
        """Run until the supervisor stops the process; return the exit code."""
        async with AsyncExitStack() as stack:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGQUIT):
                loop.add_signal_handler(number, self._end)
            for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
                loop.add_signal_handler(number, lambda: None)
            self.supervisor_pipe.listen(loop, self._on_state, self._end)
            scope = await stack.enter_async_context(TaskScope("control", self.crashes))
            keep_running(self._beat, name="heartbeat", scope=scope)
            self.control_server.open(scope)
            stack.callback(self.control_server.close)
            self.plane.start(scope, responded=self.bootstrap.successor)
            self.supervisor_pipe.send(ProcessState.SERVING.word)
            await self.control.first_result()
            await self._may_open_admin.wait()
            if self.bootstrap.replaces:
                # The workers connect in a moment; until then the admin endpoint would report none.
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.control_server.joined.wait(), JOIN_TIMEOUT)
            admin_endpoint: Callable[..., AbstractAsyncContextManager[Leave]] = resolve_name(ADMIN_ENDPOINT)
            admin, _ = self.bootstrap.sockets()
            opened = admin_endpoint(self.options, self._view(), self.control.override_store, admin, scope)
            leave = await stack.enter_async_context(opened)
            spawn(self._depart(leave), name="depart", scope=scope)
            gc.collect()
            gc.freeze()  # These objects live as long as the process.
            await self._stop.wait()
        self._state_writer.write(None)  # For the next control process, or the next pylb.
        return 0

    def _workers(self) -> list[dict[str, Any]]:
        """The workers that serve, with the seconds since the last heartbeat of each."""
        workers, now = self.control_server.serving(), monotonic()
        for worker in workers:
            heartbeat = self.counters.shared.heartbeat(worker.pop("row"))
            worker["heartbeat_age"] = round(now - heartbeat / 1000, 3)
        return workers

    async def _beat(self) -> None:
        """Send heartbeats to the supervisor."""
        while True:
            self.counters.shared.beat(monotonic())
            await asyncio.sleep(HEARTBEAT)

    async def _depart(self, leave: Leave) -> None:
        """Deregister pylb when all of it is about to end, and report that to the supervisor, which waits."""
        await self.lifecycle.wait(ProcessState.LEAVING)
        await leave()
        self.supervisor_pipe.send(ProcessState.LEAVING.word)

    def _on_state(self, word: str) -> None:
        """Apply the state of pylb as a whole, which the supervisor sends."""
        if self.lifecycle.state is ProcessState.STARTING and WORDS[word] is ProcessState.SERVING:
            take_over(self.control, self.bootstrap.predecessor)
        self.lifecycle.advance(WORDS[word])
        if self.lifecycle.state is not ProcessState.STARTING:
            self._may_open_admin.set()

    def _end(self) -> None:
        self._stop.set()
        self._may_open_admin.set()

    def _write_state(self, entries: int | None) -> None:
        """Write what the next control process needs; see `StateWriter`."""
        self._file.write(
            self.control_server.updates,
            self.counters.remember(),
            self.control.remember(entries),
            self.control_server.routing() if self.control_server.routing_generation else b"null",
        )

"""`pylb control`: the control process, which the supervisor starts.

It connects `Control` with the workers, the supervisor, the state file and the admin endpoint. No request
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
from dataclasses import replace
from pkgutil import resolve_name
from time import monotonic
from typing import TYPE_CHECKING, Any

import uvloop

from pylb.admin.views import View
from pylb.assembly.routes import catalog_rules, declarations
from pylb.config import Options
from pylb.config.option import in_force
from pylb.control.aggregate import Aggregate
from pylb.control.catalog import CatalogServices
from pylb.control.control import Control
from pylb.control.route_sources import RouteSources
from pylb.control.routing import Routing
from pylb.control.services import LiveServices
from pylb.control.takeover import take_over
from pylb.ipc.bootstrap import Bootstrap
from pylb.ipc.control_server import ControlServer
from pylb.ipc.supervisor_pipe import PREPARED, SupervisorPipe
from pylb.model import PoolState, Snapshot
from pylb.observe.counters import Counters
from pylb.routes.declaration import Declarations
from pylb.runtime.crashes import Crashes
from pylb.runtime.lifecycle import Lifecycle, ProcessState, TaskScope, keep_running, spawn
from pylb.runtime.logs import log_to_stderr, set_log_level, trace_fatal_signals

if TYPE_CHECKING:
    from pylb.control.registration import Leave

UNROUTED = ""
"""The service of requests that match no route."""

FIXED = 0
"""The rank of the routes of `--service`; see `ServiceDeclaration.order`."""

ADMIN_ENDPOINT = "pylb.control.admin_endpoint:admin_endpoint"
"""Imported after the first snapshots, since workers may be waiting for these."""

RECENT = 50
"""Entries of the history that are written after each change, for the case that the process is killed. Writing
all of them would take longer than the change; a process that ends normally writes all."""

WRITE_SHARE = 0.1
"""Maximum share of time for writes of the state that take longer than `QUICK_WRITE`: with 1,000 services, the
changes of some milliseconds are written together."""

QUICK_WRITE = 0.003
"""Seconds of a write after which the next change is written at once."""

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
    """Control with its connections to the other processes.

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
        self._remembering: asyncio.Handle | None = None
        self._next_write = 0.0
        """When the state may be written again, in monotonic seconds."""
        state = self._file.read()
        self.counters = Counters(
            bootstrap.memory.attach(bootstrap.row), monotonic, state.counters if state else None
        )
        self.crashes = Crashes(self.counters.shared)
        self.catalog: CatalogServices | None = None
        self.aggregate = Aggregate(self._options_of, self.counters)
        self.control_server = ControlServer(
            socket.socket(fileno=bootstrap.control_socket), options.record_requests
        )
        self.control = Control(
            options,
            [],
            self.deliver,
            self.counters,
            state.control if state else None,
            options_of=self._options_of,
            first_result=self._publish_routes,
            is_routed=self._is_routed,
            state_of=self.aggregate.state_of,
            set_log_level_everywhere=self.set_log_level_everywhere,
        )
        take_over(self.control, bootstrap.predecessor)
        self.services = LiveServices(
            self.control, self.aggregate, self.control_server, self._is_listed, self._remember_soon
        )
        routing = state.routing if state else None
        if routing:
            self.control_server.restore_routing(routing)
        published = {name: each for name, each in routing.changed.items() if each} if routing else None
        self.routing = Routing(options, self.services, published)
        self.routing.replace(FIXED, Declarations(declarations(options)))
        if options.catalog and (names := self.control.service_names):
            self.catalog = CatalogServices(names, catalog_rules(options), self.control, self.routing)
        self.sources = RouteSources(
            options, self.routing, self.catalog, published.values() if published else ()
        )
        if self.catalog:
            for service in self.control.remembered_services:
                self.control.follow(service)
        for update in state.updates if state else ():
            if update.state and update.service in self.aggregate:
                self.aggregate.apply(update.state)
        for service in self.aggregate.services:
            self.control_server.publish(self.aggregate.update(service))
        if not self.sources.slow:
            self.routing.settle()
        self.set_log_level_everywhere(self.control.log_level)
        self.view = View(
            lifecycle=self.lifecycle,
            rows=self.aggregate,
            watches=self.services.statuses,
            counters=self.counters,
            clock=monotonic,
            workers=self._workers,
            table=lambda: self.routing.table,
            declared=self.routing.declarations.get,
            declaration_problems=lambda: self.routing.problems,
            declarations=self.control_server.routing,
            route_totals=self.control_server.route_totals.totals,
            routing_generation=lambda: self.control_server.routing_generation,
            requests=self.control_server.requests if options.record_requests else None,
            history=self.control.recorder.history,
            samples=self.control.recorder.samples,
            overrides=self.control.override_store.overrides,
            config=in_force(options),
            max_age=options.ready_max_age,
            crashes=self.crashes.problems,
        )
        self._may_open_admin = asyncio.Event()
        """Set when no other pylb serves the same admin address any more."""
        if not bootstrap.successor:
            self._may_open_admin.set()
        self._stop = asyncio.Event()

    def _options_of(self, service: str) -> Options:
        return self.routing.options(service)

    def _is_routed(self, snapshot: Snapshot) -> bool:
        """Read the routes that the instances declare; return whether any source declares one with a pool."""
        if self.catalog is not None:
            self.catalog.read(snapshot)
        return snapshot.service in self.aggregate

    def _is_listed(self, service: str) -> bool:
        return self.catalog is not None and self.catalog.is_listed(service)

    async def _settle_routes(self) -> None:
        """Publish all routes when each source and each of its services has a first result."""
        await self.sources.first_result(responded=self.bootstrap.successor)
        await self.control.first_result()
        self.routing.settle()

    def _publish_routes(self) -> None:
        self.routing.publish_soon()

    def deliver(self, state: PoolState, applied: Callable[[], None]) -> None:
        """Send the state of a pool to all workers, and to those that start later."""
        self.aggregate.apply(state)
        self.control_server.publish(self.aggregate.update(state.service), applied)
        self.routing.publish_soon()
        self._remember_soon()

    def set_log_level_everywhere(self, level: str) -> None:
        """Set the log level of all processes but the supervisor, which logs little."""
        set_log_level(level)
        self.control_server.publish(replace(self.aggregate.update(UNROUTED), log_level=level))
        self._remember_soon()

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
            self.control.start(scope)
            self.sources.start(scope)
            if self.sources.slow:
                spawn(self._settle_routes(), name="settle the routes", scope=scope)
            self.supervisor_pipe.send(ProcessState.SERVING.word)
            await self.control.first_result()
            await self._may_open_admin.wait()
            if self.bootstrap.replaces:
                # The workers connect in a moment; until then the admin endpoint would report none.
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.control_server.joined.wait(), JOIN_TIMEOUT)
            admin_endpoint: Callable[..., AbstractAsyncContextManager[Leave]] = resolve_name(ADMIN_ENDPOINT)
            admin, _ = self.bootstrap.sockets()
            opened = admin_endpoint(self.options, self.view, self.control.override_store, admin, scope)
            leave = await stack.enter_async_context(opened)
            spawn(self._depart(leave), name="depart", scope=scope)
            gc.collect()
            gc.freeze()  # These objects live as long as the process.
            await self._stop.wait()
        self._remember(None)  # For the next control process, or the next pylb.
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

    def _remember_soon(self) -> None:
        """Write the state file after the change was sent to the workers, once for several changes."""
        if self._remembering is None:
            pause = max(0.0, self._next_write - monotonic())
            self._remembering = asyncio.get_running_loop().call_later(pause, self._remember)

    def _remember(self, entries: int | None = RECENT) -> None:
        if self._remembering is not None:
            self._remembering.cancel()
            self._remembering = None
        began = monotonic()
        self._file.write(
            self.control_server.updates,
            self.counters.remember(),
            self.control.remember(entries),
            self.control_server.routing() if self.control_server.routing_generation else b"null",
        )
        taken = monotonic() - began
        self._next_write = monotonic() + taken / WRITE_SHARE if taken > QUICK_WRITE else 0.0

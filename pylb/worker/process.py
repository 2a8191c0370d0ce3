"""`pylb worker`: one process that serves clients. The supervisor starts it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from collections import deque
from collections.abc import Iterator
from time import process_time

import uvloop

from pylb.assembly.pools import log_state
from pylb.config import Options
from pylb.ipc.bootstrap import Bootstrap
from pylb.ipc.control_socket import Hello
from pylb.ipc.health_update import HealthUpdate
from pylb.ipc.routing_update import RoutingUpdate
from pylb.ipc.supervisor_pipe import SupervisorPipe
from pylb.ipc.update import Update
from pylb.ipc.worker_client import WorkerClient
from pylb.observe.worker_counters import WorkerCounters
from pylb.policy.backend import Backend, State
from pylb.policy.change import Change
from pylb.policy.shared import SharedPool
from pylb.runtime.crashes import Crashes
from pylb.runtime.lifecycle import Lifecycle, ProcessState, TaskScope, keep_running
from pylb.runtime.logs import log_to_stderr, set_log_level, trace_fatal_signals
from pylb.runtime.malloc import keep_malloc_arenas
from pylb.sinks.sinks import Sinks
from pylb.worker.worker import Worker

log = logging.getLogger("pylb.health")

FIRST_SNAPSHOT_TIMEOUT = 5.0
"""Seconds after the first message of control in which a worker waits for a snapshot of every service. There
is no limit if another pylb serves meanwhile."""
FIRST_MESSAGE_TIMEOUT = 30.0
"""Seconds in which a worker waits for the first message of control."""
PUBLISH_INTERVAL = 1.0
"""Seconds between two publications of the gauges that are not worth a write per request."""
PUBLISH_SHARE = 0.01
"""Maximum share of CPU time for publication: with very many backends the interval is longer."""


def run(options: Options) -> int:
    """Serve clients until a signal ends the process; return the exit code."""
    bootstrap = Bootstrap.take()
    log_to_stderr(options.log_level, bootstrap.name)
    trace_fatal_signals()  # The watchdog aborts a worker that hangs.
    if options.cpu_affinity:
        cpus = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cpus[bootstrap.number % len(cpus)]})
    return uvloop.run(_run(options, bootstrap))


async def _run(options: Options, bootstrap: Bootstrap) -> int:
    return await WorkerProcess(options, bootstrap).run()


class WorkerProcess:
    """A worker with its connections to the other processes.

    It applies the routes and the states of pools that control sends. The last ones are also in the state
    file: a worker can start without control.

    Args:
        options: the options of pylb.
        bootstrap: the data from the supervisor.
    """

    def __init__(self, options: Options, bootstrap: Bootstrap) -> None:
        self.options = options
        self.bootstrap = bootstrap
        self.supervisor_pipe = SupervisorPipe(socket.socket(fileno=bootstrap.supervisor_pipe))
        self.lifecycle = Lifecycle(bootstrap.name, self.supervisor_pipe.send)
        self.counters = WorkerCounters(bootstrap.memory.attach(bootstrap.row))
        self.sinks = Sinks(options, lock=bootstrap.counters)
        self.worker = Worker(
            options,
            self.counters,
            self.sinks,
            pool=SharedPool,
            processes=bootstrap.workers,
            ticket_keys=bootstrap.ticket_keys(),
            on_state_change=self._on_state_change,
        )
        self.crashes = Crashes(self.counters.shared)
        self.worker.server.sweep.on_crash = self.crashes.add
        self.worker.server.sweep.add(self.counters.shared.beat)
        hello = Hello(bootstrap.name, os.getpid(), bootstrap.generation, bootstrap.row)
        self.worker_client = WorkerClient(
            socket.socket(fileno=bootstrap.control_socket),
            hello,
            self.apply,
            self.on_peer_update,
            self.apply_routing,
        )
        self._first_message = asyncio.Event()
        """Set after the first message of control."""
        self._all_applied = asyncio.Event()
        """Set when every pool has a snapshot, or the worker has to end."""
        self._stop = asyncio.Event()

    def apply(self, update: Update) -> None:
        """Apply an update of a service."""
        self._first_message.set()
        self.counters.assign(update.service, update.slot, update.slots)
        if update.state:
            self._publish_change(self.worker.apply(update.state), update.service)
        if update.log_level:
            set_log_level(update.log_level)
        self._check_applied()

    def apply_routing(self, update: RoutingUpdate) -> Iterator[None]:
        """Apply a change of the routes in short steps."""
        self._first_message.set()
        if not update.generation:
            return  # Control has no routes yet.
        for service, change in (yield from self.worker.applying(update)).items():
            self._publish_change(change, service)
        self._check_applied()

    def _check_applied(self) -> None:
        if self.worker.has_routes and all(pool.applied for pool in self.worker.pools.values()):
            self._all_applied.set()

    def _publish_change(self, change: Change, service: str) -> None:
        """Publish at once what a change has decided in this worker: panic mode, and ramps of new backends."""
        if service in self.worker.pools:
            self.counters.publish_pool(self.worker.pools[service])
        for backend in change.added:
            if backend.ramp_fraction < 1:
                self.counters.publish(backend)

    def on_peer_update(self, update: HealthUpdate) -> None:
        """Apply the health update of another worker."""
        log.debug("health update of another worker: %s is %s", update.authority, update.state.value)
        pool = self.worker.pools.get(update.service)
        if pool:
            pool.on_peer_update(
                (update.key, update.authority),
                update.state,
                since=update.since,
                until=update.until,
                unreachable=update.unreachable,
            )

    async def run(self) -> int:
        """Serve until a signal ends the process; return the exit code."""
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self.sinks.close)
            self._handle_signals()
            if state := self.bootstrap.state_file.read():
                for update in state.updates:
                    self.apply(update)
                if state.routing:
                    deque(self.apply_routing(state.routing), maxlen=0)
            scope = await stack.enter_async_context(TaskScope(self.lifecycle.name, self.crashes))
            keep_running(self.worker_client.follow, name="follow control", scope=scope)
            if await self._ready():
                await self.worker.listen(*self.bootstrap.sockets())
                keep_running(self._publish, name="publish gauges", scope=scope)
                self.lifecycle.advance(ProcessState.SERVING)
                keep_malloc_arenas()
                gc.collect()
                gc.freeze()  # Present objects live as long as the process.
                await self._stop.wait()
            self.lifecycle.advance(ProcessState.DRAINING)
            await self.worker.drain(self.options.drain_timeout)
        self.lifecycle.advance(ProcessState.STOPPED)
        return 0

    def _handle_signals(self) -> None:
        """Install the signal handlers.

        TERM, and the end of the supervisor: drain. QUIT: end immediately. USR1: reopen logs. Other signals
        are for the supervisor, and have no effect.
        """
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._finish)
        loop.add_signal_handler(signal.SIGQUIT, self._end)
        loop.add_signal_handler(signal.SIGUSR1, self.sinks.reopen)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR2):
            loop.add_signal_handler(number, lambda: None)
        self.supervisor_pipe.listen(loop, lambda _: None, self._finish)

    def _finish(self) -> None:
        self._stop.set()
        self._first_message.set()
        self._all_applied.set()

    def _end(self) -> None:
        self._finish()
        self.worker.server.close()

    async def _ready(self) -> bool:
        """Wait until every pool has a snapshot; return False if the worker has to end first.

        If no other pylb serves meanwhile, the wait is limited; after it, requests are answered with 503.
        """
        limited = not self.bootstrap.successor
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._first_message.wait(), FIRST_MESSAGE_TIMEOUT if limited else None)
            await asyncio.wait_for(self._all_applied.wait(), FIRST_SNAPSHOT_TIMEOUT if limited else None)
        return not self._stop.is_set()

    def _on_state_change(self, backend: Backend) -> None:
        """Log and publish a change of state, and send it to the other workers if requests have caused it."""
        log_state(backend)
        self.counters.publish(backend)
        # Control sends FAILED to all workers, and HALF_OPEN follows from the clock.
        if backend.state not in {State.FAILED, State.HALF_OPEN}:
            self.worker_client.send(HealthUpdate.of(backend))

    async def _publish(self) -> None:
        while True:
            started = process_time()
            self.counters.meet(self.worker.pools.values())
            self.worker.publish()
            if self.sinks.route_counts is not None:
                self.worker_client.send_route_counts(self.sinks.route_counts.totals())
            if self.sinks.recent is not None and (recorded := self.sinks.recent.take()):
                self.worker_client.send_requests(recorded)
            for pool in self.worker.pools.values():
                if pool.applied:
                    self.counters.publish_pool(pool)
                for backend in pool.backends.values():
                    self.counters.publish(backend)
            await asyncio.sleep(max(PUBLISH_INTERVAL, (process_time() - started) / PUBLISH_SHARE))

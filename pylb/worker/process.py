"""`pylb worker`: one process that takes requests. The supervisor starts it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from time import process_time

import uvloop

from pylb.assembly.pools import log_state
from pylb.config import Options
from pylb.ipc.bootstrap import Bootstrap
from pylb.ipc.control_socket import Hello
from pylb.ipc.health_update import HealthUpdate
from pylb.ipc.supervisor_pipe import SupervisorPipe
from pylb.ipc.update import Update
from pylb.ipc.worker_client import WorkerClient
from pylb.observe.worker_counters import WorkerCounters
from pylb.policy.backend import Backend, State
from pylb.policy.shared import SharedPool
from pylb.runtime.crashes import Crashes
from pylb.runtime.lifecycle import Lifecycle, ProcessState, TaskScope, keep_running
from pylb.runtime.logs import log_to_stderr, set_log_level, trace_fatal_signals
from pylb.runtime.malloc import keep_malloc_arenas
from pylb.sinks.sinks import Sinks
from pylb.worker.worker import Worker

log = logging.getLogger("pylb.health")

PATIENCE = 5.0
"""Seconds from control's first word that a worker waits for the first snapshot of every service, where nobody
serves meanwhile."""
SILENCE = 30.0
"""Seconds that it waits for that word."""
PUBLISHED = 1.0
"""Seconds between two publications of the gauges that are not worth a write per request."""
SHARE = 0.01
"""Of the process's time that publishing may use: with very many backends it is done less often."""


def run(options: Options) -> int:
    """Take requests until told to stop."""
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
    """A worker with what ties it to the other processes.

    It goes by the last snapshots that it was told of. Those that control told to others before are in the
    state file, so it needs nobody to be alive in order to start.

    Args:
        options: what the user wants.
        bootstrap: what the supervisor gave it.
    """

    def __init__(self, options: Options, bootstrap: Bootstrap) -> None:
        self.options = options
        self.bootstrap = bootstrap
        self.supervisor_pipe = SupervisorPipe(socket.socket(fileno=bootstrap.supervisor_pipe))
        self.lifecycle = Lifecycle(bootstrap.name, self.supervisor_pipe.send)
        self.counters = WorkerCounters(bootstrap.memory.block(bootstrap.row))
        self.sinks = Sinks(options, lock=bootstrap.counters)
        self.worker = Worker(
            options,
            self.counters,
            self.sinks,
            pool=SharedPool,
            processes=bootstrap.workers,
            ticket_keys=bootstrap.ticket_keys(),
        )
        self.crashes = Crashes(self.counters.block)
        self.worker.server.sweep.on_crash = self.crashes.add
        self.worker.server.sweep.add(self.counters.block.beat)
        for each in self.worker.pools.values():
            each.on_state_change = self._notice
        greeting = Hello(bootstrap.name, os.getpid(), bootstrap.generation, bootstrap.row)
        self.worker_client = WorkerClient(
            socket.socket(fileno=bootstrap.control_socket), greeting, self.apply, self.on_peer_update
        )
        self._told = asyncio.Event()
        """Whether control has said anything."""
        self._decided = asyncio.Event()
        """Whether all services are known, or it is over already."""
        self._stop = asyncio.Event()

    def apply(self, update: Update) -> None:
        """Go by what control says of a service."""
        self._told.set()
        self.counters.assign(update.service, update.slot, update.slots)
        if update.state and update.service in self.worker.pools:
            self.worker.apply(update.state)
        if update.log_level:
            set_log_level(update.log_level)
        if all(pool.applied for pool in self.worker.pools.values()):
            self._decided.set()

    def on_peer_update(self, news: HealthUpdate) -> None:
        """Go by what another worker has found out about a backend."""
        log.debug("another worker says: %s is %s", news.authority, news.state.value)
        pool = self.worker.pools.get(news.service)
        if pool:
            pool.on_peer_update(
                (news.key, news.authority),
                news.state,
                since=news.since,
                until=news.until,
                refused=news.refused,
            )

    async def run(self) -> int:
        """Serve until told to stop; return the exit code."""
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self.sinks.close)
            self._obey()
            if state := self.bootstrap.state_file.read():
                for update in state.updates:
                    self.apply(update)
            owner = await stack.enter_async_context(TaskScope(self.lifecycle.name, self.crashes))
            keep_running(self.worker_client.follow, name="follow control", owner=owner)
            if await self._ready():
                await self.worker.listen(*self.bootstrap.sockets())
                keep_running(self._publish, name="publish gauges", owner=owner)
                self.lifecycle.advance(ProcessState.SERVING)
                keep_malloc_arenas()
                gc.collect()
                gc.freeze()  # What is here now lives as long as the process.
                await self._stop.wait()
            self.lifecycle.advance(ProcessState.DRAINING)
            await self.worker.drain(self.options.drain_timeout)
        self.lifecycle.advance(ProcessState.STOPPED)
        return 0

    def _obey(self) -> None:
        """TERM, or a supervisor that is gone: finish what runs. QUIT: end at once. USR1: reopen logs.

        The rest is not for us.
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
        self._told.set()
        self._decided.set()

    def _end(self) -> None:
        self._finish()
        self.worker.server.close()

    async def _ready(self) -> bool:
        """Wait until it is known where to send requests; false if it is over before that.

        If nobody serves meanwhile it begins even so after a while: an honest 503 is better than silence.
        """
        hurry = not self.bootstrap.successor
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._told.wait(), SILENCE if hurry else None)
            await asyncio.wait_for(self._decided.wait(), PATIENCE if hurry else None)
        return not self._stop.is_set()

    def _notice(self, backend: Backend) -> None:
        """A backend stands elsewhere: where requests have put it is worth telling at once."""
        log_state(backend)
        self.counters.publish(backend)
        if backend.state not in {
            State.FAILED,
            State.HALF_OPEN,
        }:  # The others know from control, or the clock.
            self.worker_client.tell(HealthUpdate.of(backend))

    async def _publish(self) -> None:
        while True:
            started = process_time()
            self.counters.meet(self.worker.pools.values())
            self.worker.publish()
            for pool in self.worker.pools.values():
                if pool.applied:
                    self.counters.publish_pool(pool)
                for backend in pool.backends.values():
                    self.counters.publish(backend)
            await asyncio.sleep(max(PUBLISHED, (process_time() - started) / SHARE))

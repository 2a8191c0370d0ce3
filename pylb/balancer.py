"""Control and worker in one process and one event loop: `--workers 1`, the demo and tests."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from time import monotonic
from typing import Any

import uvloop

from pylb import __version__
from pylb.admin.views import View
from pylb.config import Options
from pylb.config.option import in_force
from pylb.control.admin_endpoint import admin_endpoint
from pylb.control.control import Control
from pylb.control.takeover import take_over
from pylb.model import PoolState
from pylb.observe.counters import Counters
from pylb.observe.shared_counters import SharedCounters
from pylb.runtime.crashes import Crashes
from pylb.runtime.lifecycle import Lifecycle, ProcessState, TaskScope, spawn
from pylb.runtime.malloc import keep_malloc_arenas
from pylb.runtime.sockets import where
from pylb.sinks.sinks import Sinks
from pylb.supervisor.handover import Predecessor
from pylb.supervisor.listeners import Listeners
from pylb.supervisor.outcome import OutcomeFile
from pylb.supervisor.pidfile import PidFile
from pylb.worker.worker import Worker

log = logging.getLogger("pylb")


RETIREMENT = 10.0
"""Seconds within which the control process of the replaced pylb must end."""

UNABLE = "refused: a single process cannot replace itself; with --workers 2 or more it could"


def serve(
    options: Options, listeners: Listeners, predecessor: Predecessor | None, pid_file: PidFile | None
) -> int:
    """Serve until a stop signal. Returns the exit code."""
    try:
        return uvloop.run(_serve(options, listeners, predecessor, pid_file))
    finally:
        if pid_file and pid_file.remove():
            OutcomeFile(options.pid_file).remove()


async def _serve(
    options: Options, listeners: Listeners, predecessor: Predecessor | None, pid_file: PidFile | None
) -> int:
    balancer = Balancer(options)
    if predecessor:
        take_over(balancer.control, predecessor.state)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        loop.add_signal_handler(number, _stop, balancer, number)
    outcomes = OutcomeFile(options.pid_file)
    for number, name in ((signal.SIGHUP, "reload"), (signal.SIGUSR2, "upgrade")):
        loop.add_signal_handler(number, _reject, outcomes, name)
    loop.add_signal_handler(signal.SIGUSR1, balancer.sinks.reopen)
    async with TaskScope("start") as owner:

        async def announce_ready() -> None:
            await balancer.lifecycle.wait(ProcessState.SERVING)
            if pid_file:
                pid_file.write()
            outcomes.create()
            if predecessor:
                await _retire_predecessor(balancer, predecessor)

        spawn(announce_ready(), name="announce ready", owner=owner)
        return await balancer.serve(*listeners.of_worker(0), admin=listeners.of_control())


async def _retire_predecessor(balancer: Balancer, predecessor: Predecessor) -> None:
    """Notify the replaced pylb that this one serves, and take over its overrides after its end."""
    retired = asyncio.Event()
    predecessor.supervisor_pipe.listen(asyncio.get_running_loop(), lambda _: retired.set(), retired.set)
    predecessor.supervisor_pipe.tell(ProcessState.SERVING.word)
    with suppress(TimeoutError):
        await asyncio.wait_for(retired.wait(), RETIREMENT)
    take_over(balancer.control, predecessor.state)


def _reject(outcomes: OutcomeFile, name: str) -> None:
    """Reject a command that needs several processes."""
    log.error("%s %s", name, UNABLE)
    outcomes.begin(name)
    outcomes.end(name, f"{name} {UNABLE}", failed=True)


def _stop(balancer: Balancer, number: signal.Signals) -> None:
    """Stop like a supervisor, with the same log messages."""
    if number == signal.SIGQUIT or balancer.stopping:
        log.info("%s: stopping at once", number.name)
        balancer.stop_at_once()
    else:
        log.info("%s: stopping; once more stops at once", number.name)
        balancer.stop()


class Balancer:
    """Control and one worker in one event loop.

    Args:
        options: all options.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.lifecycle = Lifecycle()
        self.sinks = Sinks(options)
        counters = Counters(SharedCounters(), monotonic)
        self.crashes = Crashes(counters.block)
        self.worker = Worker(options, counters, self.sinks)
        self.worker.server.sweep.on_crash = self.crashes.add
        self.control = Control(
            options,
            list(self.worker.pools),
            self.apply,
            counters,
            state_of=lambda endpoint: self.worker.pools[endpoint.service].state_of(endpoint),
        )
        self.view = View(
            lifecycle=self.lifecycle,
            pools=self.worker.pools,
            watches={service: each.status for service, each in self.control.pipelines.items()},
            counters=counters,
            clock=monotonic,
            refresh=self.worker.publish,
            workers=self._workers,
            routes=self.worker.server.context.routes,
            history=self.control.recorder.history,
            samples=self.control.recorder.samples,
            overrides=self.control.override_store.overrides,
            config=in_force(options),
            max_age=options.ready_max_age,
            crashes=self.crashes.problems,
        )
        self._stop = asyncio.Event()
        self._at_once = asyncio.Event()

    def apply(self, state: PoolState, applied: Callable[[], None]) -> None:
        """Apply the state of a pool. This call replaces the channel from control to a worker."""
        self.worker.apply(state)
        applied()

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    def _workers(self) -> list[dict[str, Any]]:
        """Describe the only worker in the format that control uses for several."""
        applied = {name: pool.applied.generation for name, pool in self.worker.pools.items() if pool.applied}
        return [
            {"name": "pylb", "pid": os.getpid(), "generation": 1, "applied": applied, "heartbeat_age": 0.0}
        ]

    def stop(self) -> None:
        """Begin the orderly end."""
        self._stop.set()

    def stop_at_once(self) -> None:
        """End immediately and abort requests."""
        self._stop.set()
        self._at_once.set()
        self.worker.server.close()

    async def serve(
        self,
        plain: Sequence[socket.socket],
        tls: Sequence[socket.socket] = (),
        *,
        admin: Sequence[socket.socket],
    ) -> int:
        """Serve on these sockets until `stop` is called. Returns the exit code."""
        async with AsyncExitStack() as stack:
            stack.callback(self.sinks.close)
            owner = await stack.enter_async_context(TaskScope("control", self.crashes))
            self.control.start(owner)
            opened = admin_endpoint(self.options, self.view, self.control.override_store, admin, owner)
            leave = await stack.enter_async_context(opened)
            await self.worker.listen(plain, tls)
            log.info(
                "pylb %s listens on %s for %s, admin on %s, policy %s",
                __version__,
                ", ".join(map(where, (*plain, *tls))),
                ", ".join(self.worker.pools),
                ", ".join(map(where, admin)) or "off",
                self.options.policy,
            )
            self.lifecycle.advance(ProcessState.SERVING)
            keep_malloc_arenas()
            gc.collect()
            gc.freeze()  # These objects live as long as the process; collections need not examine them.
            await self._stop.wait()
            await leave()
            if self.options.shutdown_delay:
                self.lifecycle.advance(ProcessState.LEAVING)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._at_once.wait(), self.options.shutdown_delay)
            self.lifecycle.advance(ProcessState.DRAINING)
            await self.worker.drain(self.options.drain_timeout)
        self.lifecycle.advance(ProcessState.STOPPED)
        return 0

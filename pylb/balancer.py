"""Control and worker in one process and one event loop, for `pylb demo` and for tests.

It has no supervisor: it cannot be reloaded or upgraded, and a crash ends it. `pylb serve` always starts a
supervisor (`supervisor.start`).
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from time import monotonic
from typing import Any

from pylb import __version__
from pylb.admin.views import View
from pylb.config import Options
from pylb.config.option import in_force
from pylb.control.admin_endpoint import admin_endpoint
from pylb.control.control import Control
from pylb.model import PoolState
from pylb.observe.counters import Counters
from pylb.observe.shared_counters import SharedCounters
from pylb.policy.pool_rows import PoolRows
from pylb.runtime.crashes import Crashes
from pylb.runtime.lifecycle import Lifecycle, ProcessState, TaskScope
from pylb.runtime.malloc import keep_malloc_arenas
from pylb.runtime.sockets import where
from pylb.sinks.sinks import Sinks
from pylb.worker.worker import Worker

log = logging.getLogger("pylb")


class Balancer:
    """A pylb in one process.

    Args:
        options: the options of `pylb serve`.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.lifecycle = Lifecycle()
        self.sinks = Sinks(options)
        counters = Counters(SharedCounters(), monotonic)
        self.crashes = Crashes(counters.shared)
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
            rows=PoolRows(self.worker.pools),
            watches={service: each.status for service, each in self.control.pipelines.items()},
            counters=counters,
            clock=monotonic,
            refresh=self.worker.publish,
            workers=self._workers,
            table=lambda: self.worker.server.context.routes,
            declared=self.worker.declarations.get,
            history=self.control.recorder.history,
            samples=self.control.recorder.samples,
            overrides=self.control.override_store.overrides,
            config=in_force(options),
            max_age=options.ready_max_age,
            crashes=self.crashes.problems,
        )
        self._stop = asyncio.Event()

    def apply(self, state: PoolState, applied: Callable[[], None]) -> None:
        """Apply the state of a pool. With one worker, the channel from control to it is a call."""
        self.worker.apply(state)
        applied()

    def _workers(self) -> list[dict[str, Any]]:
        """The only worker, in the form in which control lists several."""
        applied = {name: pool.applied.generation for name, pool in self.worker.pools.items() if pool.applied}
        return [
            {"name": "pylb", "pid": os.getpid(), "generation": 1, "applied": applied, "heartbeat_age": 0.0}
        ]

    def stop(self) -> None:
        """Begin to drain."""
        self._stop.set()

    async def serve(
        self,
        plain: Sequence[socket.socket],
        tls: Sequence[socket.socket] = (),
        *,
        admin: Sequence[socket.socket],
    ) -> int:
        """Serve on these sockets until `stop` is called; return the exit code."""
        async with AsyncExitStack() as stack:
            stack.callback(self.sinks.close)
            scope = await stack.enter_async_context(TaskScope("control", self.crashes))
            self.control.start(scope)
            opened = admin_endpoint(self.options, self.view, self.control.override_store, admin, scope)
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
            gc.freeze()  # These objects live as long as the process; collections need not visit them.
            await self._stop.wait()
            await leave()
            self.lifecycle.advance(ProcessState.DRAINING)
            await self.worker.drain(self.options.drain_timeout)
        self.lifecycle.advance(ProcessState.STOPPED)
        return 0

"""`pylb`: control and worker in one process and one loop, from its start to its orderly end."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import sys
from contextlib import AsyncExitStack
from time import monotonic

import uvloop

from pylb import __version__
from pylb.config import Options
from pylb.model import Snapshot
from pylb.observe.counters import Block, Counters
from pylb.process.control import Control
from pylb.process.lifecycle import Lifecycle, Owner, ProcessState
from pylb.process.sockets import open_sockets, where
from pylb.process.worker import Worker, read_routes

log = logging.getLogger("pylb")


def run(options: Options) -> int:
    """Serve until told to stop.

    Raises:
        UsageError: the options contradict each other.
        StartError: an address cannot be bound.
    """
    log_to_stderr(options.log_level)
    read_routes(options)
    sockets = open_sockets(options.listen)
    admin = open_sockets((options.admin,), option="--admin") if options.admin else []
    return uvloop.run(Balancer(options).serve(sockets, admin))


def log_to_stderr(level: str) -> None:
    """One line per message, with time, level and where it comes from."""
    logging.basicConfig(
        level=level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    )


class Balancer:
    """A whole pylb in one loop: what `--workers 1`, the demo and the tests run.

    Args:
        options: what the user wants.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.lifecycle = Lifecycle()
        self.counters = Counters(Block(), monotonic)
        self.worker = Worker(options, self.counters)
        self.control = Control(options, list(self.worker.pools), self.deliver)
        self._stop = asyncio.Event()

    def deliver(self, snapshot: Snapshot) -> None:
        """A service's instances have changed. With one worker the channel to it is a call."""
        self.worker.apply(snapshot)

    def stop(self) -> None:
        """Begin the orderly end; asked a second time, end at once."""
        if self._stop.is_set():
            self.worker.plane.close()
        self._stop.set()

    async def serve(self, sockets: list[socket.socket], admin: list[socket.socket]) -> int:
        """Serve on these sockets until `stop` is called; return the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        async with AsyncExitStack() as stack:
            owner = await stack.enter_async_context(Owner("control"))
            self.control.start(owner)
            await self.worker.listen(sockets)
            log.info(
                "pylb %s listens on %s for %s, admin on %s, policy %s",
                __version__,
                ", ".join(map(where, sockets)),
                ", ".join(self.worker.pools),
                ", ".join(map(where, admin)) or "off",
                self.options.policy,
            )
            self.lifecycle.advance(ProcessState.SERVING)
            gc.collect()
            gc.freeze()  # What is here now lives as long as the process: no collection need look at it again.
            await self._stop.wait()
            self.lifecycle.advance(ProcessState.DRAINING)
            cut = await self.worker.drain(self.options.drain_timeout)
            if cut:
                log.warning("%d connections were cut off: they had not ended in time", cut)
        self.lifecycle.advance(ProcessState.STOPPED)
        return 0

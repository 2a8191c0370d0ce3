"""`pylb`: control and worker in one process and one loop, from its start to its orderly end."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from time import monotonic, time

import uvloop

from pylb import __version__
from pylb.admin.access import Access, is_loopback, read_token
from pylb.admin.app import AdminApp
from pylb.admin.views import View
from pylb.config import Options
from pylb.config.option import in_force
from pylb.observe.accesslog import FORMATS
from pylb.observe.block import Block
from pylb.observe.counters import Counters
from pylb.observe.record import Record
from pylb.process.control import Control
from pylb.process.lifecycle import Lifecycle, Owner, ProcessState
from pylb.process.logwriter import LogWriter
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
    sockets = open_sockets(options.listen) + open_sockets(options.listen_tls, option="--listen-tls")
    admin = open_sockets((options.admin,), option="--admin") if options.admin else []
    return uvloop.run(_serve(options, sockets, admin))


async def _serve(options: Options, sockets: list[socket.socket], admin: list[socket.socket]) -> int:
    balancer = Balancer(options)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, balancer.stop)
    return await balancer.serve(sockets, admin)


def log_to_stderr(level: str) -> None:
    """One line per message, with time, level and where it comes from."""
    logging.basicConfig(
        level=level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    )


def access_log(form: str, writer: LogWriter) -> Callable[[Record], None]:
    """What writes a record as a line of the access log."""
    line = FORMATS[form]().line

    def write(record: Record) -> None:
        writer.write(line(record, time()))

    return write


def access(options: Options) -> Access:
    """Who may do what on the admin port."""
    host = options.admin.host if options.admin else ""
    token = read_token(options.admin_token, options.admin_token_file)
    return Access(loopback=is_loopback(host), token=token)


class Balancer:
    """A whole pylb in one loop: what `--workers 1`, the demo and the tests run.

    Args:
        options: what the user wants.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.lifecycle = Lifecycle()
        self.writer = LogWriter(sys.stdout.fileno()) if options.access_log != "off" else None
        counters = Counters(Block(), monotonic)
        self.worker = Worker(
            options, counters, access_log(options.access_log, self.writer) if self.writer else None
        )
        # With one worker the channel from control to it is a call.
        self.control = Control(options, list(self.worker.pools), self.worker.apply, counters)
        self.view = View(
            lifecycle=self.lifecycle,
            pools=self.worker.pools,
            watches={service: watch.status for service, watch in self.control.watches.items()},
            counters=counters,
            connections=lambda: len(self.worker.plane.connections),
            log_lines_dropped=lambda: self.writer.dropped if self.writer else 0,
            clock=monotonic,
            routes=self.worker.plane.routes,
            history=self.control.recorder.history,
            samples=self.control.recorder.samples,
            overrides=self.control.operator.overrides,
            config=in_force(options),
            max_age=options.ready_max_age,
        )
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Begin the orderly end; asked a second time, end at once."""
        if self._stop.is_set():
            self.worker.plane.close()
        self._stop.set()

    async def serve(self, sockets: list[socket.socket], admin: list[socket.socket]) -> int:
        """Serve on these sockets until `stop` is called; return the exit code."""
        async with AsyncExitStack() as stack:
            if self.writer:
                stack.callback(self.writer.close)
            app = AdminApp(self.view, self.control.operator, access(self.options))
            stack.callback(self.control.operator.close)
            stack.push_async_callback(app.close)
            for listening in admin:
                await app.listen(listening)
            self.control.start(await stack.enter_async_context(Owner("control")))
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

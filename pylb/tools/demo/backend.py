"""`pylb demo-backend`: one instance of the sample web service."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from dataclasses import dataclass
from typing import ClassVar

import uvloop
from aiohttp import web

from pylb.config.kinds import ADDRESS, CONSUL, FLAG, Address, Kind, Url
from pylb.config.option import Group, option
from pylb.model import Endpoint
from pylb.runtime.logs import log_to_stderr
from pylb.runtime.sockets import open_sockets, where
from pylb.tools.demo.webservice import WebService

FINISH_TIMEOUT = 30.0
"""Seconds that requests in flight may take after the stop signal."""
IDLE_TIME = 0.3
"""Seconds without a connection after which the service ends. Load balancers then have applied the change."""
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,63}", value):
        raise ValueError
    return value


NAME = Kind("NAME", "a name of letters, digits, dots, dashes and underscores", _name)


@dataclass(frozen=True, kw_only=True)
class BackendOptions(Group):
    """The options of `pylb demo-backend`."""

    title: ClassVar = "Sample web service"
    prefix: ClassVar = "PYLB_DEMO_BACKEND_"

    listen: Address = option(ADDRESS, "127.0.0.1:0", "The address to listen on. Port 0 selects a free port.")
    name: str | None = option(NAME, None, "The name in responses. By default, the host name.")
    register: Url | None = option(
        CONSUL,
        None,
        "The Consul to register in while the service runs. By default, the service is not registered.",
    )
    service: str = option(NAME, "web", "The service name in Consul.")
    until_eof: bool = option(
        FLAG, "off", "End when standard input ends, so that the service does not outlive its parent process."
    )


def run(options: BackendOptions) -> int:
    """Serve until a stop signal.

    Raises:
        StartError: the address is not available.
    """
    log_to_stderr("info", bare=True)
    return uvloop.run(_serve(options, open_sockets((options.listen,))))


async def _serve(options: BackendOptions, sockets: list[socket.socket]) -> int:
    name = options.name or socket.gethostname()
    stop = _stop_event(until_eof=options.until_eof)
    runner = web.AppRunner(WebService(name).app(), access_log=None, shutdown_timeout=FINISH_TIMEOUT)
    await runner.setup()
    for listening in sockets:
        await web.SockSite(runner, listening).start()
    sys.stdout.write(f"{name} listens on http://{where(sockets[0])}\n")
    sys.stdout.flush()
    if options.register:
        from pylb.tools.demo.registration import registered  # noqa: PLC0415 - slow to import

        host, port = sockets[0].getsockname()[:2]
        instance = Endpoint(options.service, host, port, id=f"{name}-{port}")
        async with registered(options.register, instance):
            await stop.wait()
    await stop.wait()
    await _wait_until_idle(runner)
    await runner.cleanup()
    return 0


def _stop_event(*, until_eof: bool) -> asyncio.Event:
    """Return an event that the first signal sets.

    The second signal, or with `until_eof` the end of standard input, ends the process immediately.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def signalled() -> None:
        stop.set()
        for number in SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    def readable() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            os._exit(0)

    for number in SIGNALS:
        loop.add_signal_handler(number, signalled)
    if until_eof:
        loop.add_reader(sys.stdin.fileno(), readable)
    return stop


async def _wait_until_idle(runner: web.AppRunner) -> None:
    """Serve until there has been no connection for `IDLE_TIME`.

    Requests may arrive until every load balancer has applied the deregistration and closed its connections.
    """
    loop = asyncio.get_running_loop()
    idle_since = loop.time()
    deadline = idle_since + FINISH_TIMEOUT
    while (now := loop.time()) < min(idle_since + IDLE_TIME, deadline):
        await asyncio.sleep(IDLE_TIME / 10)
        if runner.server and runner.server.connections:
            idle_since = now

"""`pylb demo-backend`: one sample web service, to look at a load balancer through it."""

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
"""Seconds that requests in flight may take once the service is told to stop."""
QUIET = 0.3
"""Seconds without a connection after which nobody is about to send a request: the registry told everybody."""
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,63}", value):
        raise ValueError
    return value


NAME = Kind("NAME", "a name of letters, digits, dots, dashes and underscores", _name)


@dataclass(frozen=True, kw_only=True)
class BackendOptions(Group):
    """What `pylb demo-backend` takes."""

    title: ClassVar = "Sample web service"
    prefix: ClassVar = "PYLB_DEMO_BACKEND_"

    listen: Address = option(ADDRESS, "127.0.0.1:0", "Where to take requests; port 0 takes a free one.")
    name: str | None = option(NAME, None, "What it calls itself; the host's name if not given.")
    register: Url | None = option(
        CONSUL, None, "The Consul to register in, from when it listens until it is told to stop."
    )
    service: str = option(NAME, "web", "The service that it registers as an instance of.")
    until_eof: bool = option(
        FLAG, "off", "End when standard input does: whoever holds the other end of the pipe is gone."
    )


def run(options: BackendOptions) -> int:
    """Serve until told to stop.

    Raises:
        StartError: the address cannot be listened on.
    """
    log_to_stderr("info", bare=True)
    return uvloop.run(_serve(options, open_sockets((options.listen,))))


async def _serve(options: BackendOptions, sockets: list[socket.socket]) -> int:
    name = options.name or socket.gethostname()
    stop = _stop_asked(until_eof=options.until_eof)
    runner = web.AppRunner(WebService(name).app(), access_log=None, shutdown_timeout=FINISH_TIMEOUT)
    await runner.setup()
    for listening in sockets:
        await web.SockSite(runner, listening).start()
    sys.stdout.write(f"{name} listens on http://{where(sockets[0])}\n")
    sys.stdout.flush()
    if options.register:
        from pylb.tools.demo.registration import registered  # noqa: PLC0415 - takes as long as all the rest

        host, port = sockets[0].getsockname()[:2]
        instance = Endpoint(options.service, host, port, id=f"{name}-{port}")
        async with registered(options.register, instance):
            await stop.wait()
    await stop.wait()
    await _all_have_left(runner)
    await runner.cleanup()
    return 0


def _stop_asked(*, until_eof: bool) -> asyncio.Event:
    """Set by the first signal; the second one, or the end of standard input, ends the process at once."""
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


async def _all_have_left(runner: web.AppRunner) -> None:
    """Go on serving until nobody is connected, and nobody has been for a moment.

    Between the order to stop and the last load balancer's hearing of it, requests may still come; it closes
    its connections then.
    """
    loop = asyncio.get_running_loop()
    quiet_since = loop.time()
    deadline = quiet_since + FINISH_TIMEOUT
    while (now := loop.time()) < min(quiet_since + QUIET, deadline):
        await asyncio.sleep(QUIET / 10)
        if runner.server and runner.server.connections:
            quiet_since = now

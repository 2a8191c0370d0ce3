"""`pylb demo`: options, and the start and end of the demo."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from dataclasses import dataclass
from typing import ClassVar

import uvloop
from rich.console import Console

from pylb.config.backends import Balancing
from pylb.config.kinds import Address, Kind, integer, text
from pylb.config.option import Group, option
from pylb.errors import StartError
from pylb.runtime.sockets import open_sockets
from pylb.tools.demo.display import Display, Link
from pylb.tools.demo.environment import LOOPBACK, SERVICE, set_up
from pylb.tools.demo.lines import Lines, write
from pylb.tools.demo.screen import Screen

_NUMBER = integer(1, 65535)


def _port(value: str) -> int:
    return 0 if value == "free" else _NUMBER.parse(value)


PORT = Kind("PORT|free", "a port from 1 to 65535, or free", _port)
"""A TCP port; 0 for any free one."""


@dataclass(frozen=True, kw_only=True)
class DemoOptions(Balancing, Group):
    """The options of `pylb demo`."""

    title: ClassVar = "Demo"
    prefix: ClassVar = "PYLB_DEMO_"

    instances: int = option(integer(1, 50), "3", "The number of sample web services at the start.")
    host: str = option(
        text("HOST", "an address of this machine"),
        LOOPBACK,
        "The address that pylb listens on. 0.0.0.0 admits other machines.",
    )
    port: int = option(PORT, "8080", "The port that pylb listens on. If it is in use, a free one is used.")
    admin_port: int = option(PORT, "8081", "The port of the dashboard. If it is in use, a free one is used.")
    registry_port: int = option(
        PORT, "8500", "The port of the registry. If it is in use, a free one is used."
    )


def run(options: DemoOptions) -> int:
    """Run the demo until it is stopped.

    Raises:
        StartError: the address is not available, or an instance did not start.
    """
    console = Console()
    interactive = sys.stdin.isatty() and console.is_terminal and not console.is_dumb_terminal
    display: Display = Screen(console) if interactive else Lines()
    log = logging.getLogger("pylb")
    log.addHandler(display.log_handler)
    log.setLevel(logging.INFO)
    write(f"pylb demo: starting a registry, {options.instances} web services, and pylb in front of them")
    try:
        return uvloop.run(perform(options, display))
    except KeyboardInterrupt:  # Before signal handlers were installed.
        return 0


async def perform(options: DemoOptions, display: Display) -> int:
    """Start the environment and show it until it is stopped. Returns the exit code."""
    listening = _open(options.host, options.port)
    admin = _open(LOOPBACK, options.admin_port)
    address, admin_address = _reachable(listening[0]), _reachable(admin[0])
    url = f"http://{address}/"
    async with set_up(
        url, registry_port=options.registry_port, size=options.instances, policy=options.policy
    ) as environment:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, environment.end)
        registry = environment.registry
        links = [
            Link("Browser", url, _note(options.port, address.port)),
            Link("Terminal", f"curl {url}"),
            Link("", f"for i in $(seq 30); do curl -s {url}; done"),
            Link(
                "Registry",
                f"{registry}/v1/health/service/{SERVICE}",
                _note(options.registry_port, registry.port),
            ),
            Link("Dashboard", f"http://{admin_address}/", _note(options.admin_port, admin_address.port)),
        ]
        code = await environment.serve(listening, admin, links, display)
    write("pylb demo and all its processes have ended")
    return code


def _open(host: str, port: int) -> list[socket.socket]:
    """Listen on the port, or on a free one if it is not available.

    Raises:
        StartError: the host is not an address of this machine.
    """
    try:
        sockets = open_sockets((Address(host, port),))
    except StartError:
        sockets = open_sockets((Address(host, 0),), option="--host")
    for each in sockets:
        each.listen()
    return sockets


def _reachable(listening: socket.socket) -> Address:
    """Return an address at which clients on this machine reach the socket."""
    host, port = listening.getsockname()[:2]
    return Address({"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host), port)


def _note(requested: int, actual: int) -> str:
    return f"port {requested} is in use" if requested not in {0, actual} else ""

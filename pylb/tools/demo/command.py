"""`pylb demo`: a registry, web services and pylb on this machine, with a screen that explains them."""

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
from pylb.tools.demo.display import Display, Sign
from pylb.tools.demo.lines import Lines, write
from pylb.tools.demo.screen import Screen
from pylb.tools.demo.stage import LOOPBACK, SERVICE, set_up

_NUMBER = integer(1, 65535)


def _port(value: str) -> int:
    return 0 if value == "free" else _NUMBER.parse(value)


PORT = Kind("PORT|free", "a port from 1 to 65535, or free", _port)
"""A TCP port; 0 stands for any that is free."""


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
        StartError: the address cannot be listened on, or an instance did not start.
    """
    console = Console()
    interactive = sys.stdin.isatty() and console.is_terminal and not console.is_dumb_terminal
    display: Display = Screen(console) if interactive else Lines()
    log = logging.getLogger("pylb")
    log.addHandler(display.news)
    log.setLevel(logging.INFO)
    write(f"pylb demo: starting a registry, {options.instances} web services, and pylb in front of them")
    try:
        return uvloop.run(perform(options, display))
    except KeyboardInterrupt:  # before there was anything to end in order
        return 0


async def perform(options: DemoOptions, display: Display) -> int:
    """Set everything up and show it until stopped. Returns the exit code."""
    listening = _open(options.host, options.port)
    admin = _open(LOOPBACK, options.admin_port)
    address, admin_address = _reachable(listening[0]), _reachable(admin[0])
    url = f"http://{address}/"
    async with set_up(
        url, registry_port=options.registry_port, size=options.instances, policy=options.policy
    ) as stage:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stage.end)
        registry = stage.registry
        signs = [
            Sign("Browser", url, _note(options.port, address.port)),
            Sign("Terminal", f"curl {url}"),
            Sign("", f"for i in $(seq 30); do curl -s {url}; done"),
            Sign(
                "Registry",
                f"{registry}/v1/health/service/{SERVICE}",
                _note(options.registry_port, registry.port),
            ),
            Sign("Dashboard", f"http://{admin_address}/", _note(options.admin_port, admin_address.port)),
        ]
        code = await stage.perform(listening, admin, signs, display)
    write("pylb demo has ended, with all its processes")
    return code


def _open(host: str, port: int) -> list[socket.socket]:
    """Listen on the port, or on a free one if it cannot be had.

    Raises:
        StartError: the host's name or address is not this machine's.
    """
    try:
        sockets = open_sockets((Address(host, port),))
    except StartError:
        sockets = open_sockets((Address(host, 0),), option="--host")
    for each in sockets:
        each.listen()
    return sockets


def _reachable(listening: socket.socket) -> Address:
    """Where to find on this machine what listens there."""
    host, port = listening.getsockname()[:2]
    return Address({"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host), port)


def _note(wished: int, given: int) -> str:
    return f"port {wished} is not free" if wished not in {0, given} else ""

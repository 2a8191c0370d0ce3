"""`pylb registry`: run the embedded registry alone, as a Consul agent for tests and laptops.

The command listens, prints the registry's URL as the first line on standard output, and serves until SIGTERM
or SIGINT. Registrations are in memory only and end with the process. It starts no load balancer and reads no
other registry.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import dataclass
from typing import ClassVar

import uvloop

from pylb.config.kinds import ADDRESS, Address
from pylb.config.option import Group, option
from pylb.errors import StartError, UsageError
from pylb.registry.embedded import DevRegistry

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, kw_only=True)
class RegistryOptions(Group):
    """The options of `pylb registry`."""

    title: ClassVar = "Registry"
    prefix: ClassVar = "PYLB_REGISTRY_"

    listen: Address = option(
        ADDRESS,
        "127.0.0.1:8500",
        "TCP address on which the registry serves Consul's HTTP API; port 0 selects a free port.",
    )

    def check(self) -> None:
        """Reject a Unix socket: the registry's own entry in the catalog needs an IP address and a port."""
        super().check()
        if self.listen.path:
            raise UsageError(f"--listen: got '{self.listen}', expected host:port or [IPv6]:port")


def run(options: RegistryOptions) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code.

    Raises:
        StartError: the registry cannot listen on the address.
    """
    return uvloop.run(_serve(options.listen))


async def _serve(listen: Address) -> int:
    stop = asyncio.Event()
    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    registry = DevRegistry()
    try:
        address = await registry.start(listen.host, listen.port)
    except OSError as error:
        reason = error.strerror or error
        raise StartError(f"--listen: cannot listen on {listen}: {reason}") from None
    try:
        sys.stdout.write(f"registry listens on http://{address}\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        await registry.stop()
    return 0

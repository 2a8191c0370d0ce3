"""The live side of the simulator validation: requests sent at given times through pylbs side by side."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import chain

import uvloop

from bench.balance.working_origin import BODY
from bench.lib.fleet import temporary_directory
from bench.lib.machine import Cores
from bench.lib.peers.peer import Site
from bench.lib.peers.pylb import Pylb
from bench.lib.ports import free_port, free_ports
from bench.lib.repository import module_command
from bench.lib.server import serve
from pylb.tools.simulate.workload import Arrival

LEAD = 0.2
"""Seconds before the first request, in which the client prepares."""
APART = 0.1
"""Seconds between the start times of two pylbs.

Without the offset, requests with the same arrival time would be sent and read at once and delay each other.
"""


@contextmanager
def serve_policies(policies: Sequence[str], instances: int) -> Iterator[list[int]]:
    """Start one pylb per policy, each with its own instances, and yield the ports of the pylbs.

    Raises:
        MissingError: pylb is not installed.
        StartError: a program did not start.
    """
    cores = Cores.split()
    with ExitStack() as stack:
        behind = [free_ports(instances) for _ in policies]
        home = stack.enter_context(temporary_directory())
        command = module_command("bench.balance.working_origin", *map(str, chain(*behind)))
        origins = stack.enter_context(serve("origins", command, behind[-1][-1], home, cores.load))
        origins.wait_until_ready("/0")
        ports = []
        for policy, own in zip(policies, behind, strict=True):
            site = Site(stack.enter_context(temporary_directory()), free_port(), tuple(own))
            command = Pylb().command(site)
            command = replace(command, argv=[*command.argv, "--policy", policy])
            pylb = stack.enter_context(serve("pylb", command, site.port, site.directory, cores.proxy))
            pylb.wait_until_ready("/0")
            ports.append(site.port)
        yield ports


def send(ports: Sequence[int], workloads: Iterable[Iterable[Arrival]]) -> list[list[float]]:
    """Send each workload to its port, all side by side. Returns the latency of each request in seconds."""

    async def send_all() -> list[list[float]]:
        sent = enumerate(zip(ports, workloads, strict=True))
        return await asyncio.gather(
            *(_send(port, arrivals, LEAD + number * APART) for number, (port, arrivals) in sent)
        )

    return uvloop.run(send_all())


async def _send(port: int, arrivals: Iterable[Arrival], lead: float) -> list[float]:
    """Send each request at its arrival time, whether or not earlier ones are answered."""
    latencies = []
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    opened: list[asyncio.StreamWriter] = []
    start = time.monotonic() + lead

    async def get(moment: float, work: float) -> None:
        if idle and idle[-1][0].at_eof():
            idle.clear()  # All others have been idle for longer.
        if idle:
            reader, writer = idle.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            opened.append(writer)
        writer.write(b"GET /%.6f HTTP/1.1\r\nHost: live\r\n\r\n" % work)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise ConnectionError(f"port {port} answered with {head!r}")
        await reader.readexactly(len(BODY))
        latencies.append(time.monotonic() - start - moment)
        idle.append((reader, writer))

    try:
        async with asyncio.TaskGroup() as group:
            for moment, work in arrivals:
                await asyncio.sleep(start + moment - time.monotonic())
                group.create_task(get(moment, work))
    finally:
        for writer in opened:
            writer.close()
    return latencies

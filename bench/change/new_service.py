"""The time from the registration of a new service to its first request.

`python -m bench.change.new_service` runs a real Consul server with `--services` services of three instances
each, which declare `--routes` routes each, and a pylb with `--catalog`. `--changes` times, it registers a
service that did not exist, and deregisters it, while a client sends requests to its host.

With `--peers traefik-watch` or `traefik`, Traefik follows the same catalog, with its provider `consulCatalog`
that watches or polls; the same routes are declared by its labels.

It prints the time from the end of the call that registers the service to the first response of its instance,
the time from its deregistration to the last one, the time until all routes are served, the memory of each
process, and the number of connections to Consul.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from statistics import median, quantiles

import orjson
import psutil
from rich.console import Console

from bench.change.services.catalog import STEADY, Services, serve_consul
from bench.change.services.traffic import Client, origin
from bench.lib.command import Outcome, run_command
from bench.lib.fleet import temporary_directory
from bench.lib.options import positive, raise_file_limit
from bench.lib.peers.follower import FOLLOWERS, Registry
from bench.lib.peers.peer import Site
from bench.lib.ports import free_port
from bench.lib.server import Command, Server, StartError, serve, wait_for

PYLB = "pylb"
READY = 180.0
"""Seconds within which all services must be ready."""
WARM_UP = 5
"""New services before the measurement."""
NODES = 3
"""Nodes among which instances are divided."""


@dataclass
class Result:
    """The figures of one number of services."""

    peer: str
    services: int
    ready: float = 0.0
    """Seconds from the start of pylb until the routes of all services were served."""
    connections: int = 0
    """Connections to Consul."""
    memory: dict[str, int] = field(default_factory=dict)
    """Resident memory in bytes, by process."""
    appeared: list[float] = field(default_factory=list)
    """Seconds until the first request of a new service."""
    disappeared: list[float] = field(default_factory=list)
    """Seconds until the last one of a removed service."""
    lost: int = 0
    """Changes that had no effect in time."""


def measure(peer: str, count: int, routes: int, changes: int, workers: int) -> Result:
    """Run one measurement.

    Args:
        peer: `pylb`, or the name of a Traefik among the followers of Consul.
        count: permanent services.
        routes: routes of each service.
        changes: new services.
        workers: workers of pylb.

    Raises:
        StartError: not all services were ready within `READY`.
    """
    names = [f"svc-{number}" for number in range(count)]
    added = [f"new-{number}" for number in range(WARM_UP + changes)]
    with ExitStack() as stack:
        enter = stack.enter_context
        cores = sorted(os.sched_getaffinity(0))
        consul = enter(serve_consul(enter(temporary_directory()), cores))
        services = Services(
            consul, [*names, *added], NODES, has_checks=True, routes=routes, labels=peer != PYLB
        )
        stack.callback(services.close)
        old, new = enter(origin(b"old")), enter(origin(b"new"))
        services.fill(old, names)
        began = time.monotonic()
        if peer == PYLB:
            proxy, port = enter(start(consul, workers, cores))
            ready = wait_for(lambda: complete(proxy, count), READY)
            client = Client(port)
        else:
            proxy = enter(start_follower(peer, consul, cores))
            client = Client(proxy.port)
            ready = wait_for(lambda: all(client.get(name) == b"old" for name in names), READY)
        stack.callback(client.close)
        if not ready:
            raise StartError(f"not all of {count} services are ready")
        result = Result(peer, count, time.monotonic() - began)
        for place, name in enumerate(added):
            appear(services, client, name, new, result if place >= WARM_UP else Result(peer, count))
        result.memory = {role_of(each): each.memory_info().rss for each in proxy.processes}
        result.connections = sum(
            each.status == psutil.CONN_ESTABLISHED and bool(each.raddr) and each.raddr.port == consul.port
            for process in proxy.processes
            for each in process.net_connections("tcp")
        )
    return result


@contextmanager
def start(consul: Server, workers: int, cores: Sequence[int]) -> Iterator[tuple[Server, int]]:
    """Run pylb with the services of the catalog; yield it with its port for clients."""
    port, admin = free_port(), free_port()
    argv = [sys.executable, "-m", "pylb", "--consul", f"127.0.0.1:{consul.port}", "--catalog"]
    argv += ["--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}", "--workers", str(workers)]
    argv += ["--access-log", "off", "--log-level", "warning", "--slow-start", "0"]
    with temporary_directory() as directory, serve("pylb", Command(argv), admin, directory, cores) as pylb:
        pylb.wait_until_ready("/ready", containing=b"services")
        yield pylb, port


@contextmanager
def start_follower(name: str, consul: Server, cores: Sequence[int]) -> Iterator[Server]:
    """Run another proxy that follows the catalog; it serves when this yields it."""
    with temporary_directory() as directory:
        site, registry = Site(directory, free_port(), ()), Registry(consul.port, 0, "")
        command = FOLLOWERS[name].command(site, registry)
        with serve(name, command, site.port, directory, cores) as proxy:
            if not wait_for(lambda: accepts(site.port), READY):
                raise StartError(f"{name} does not accept connections")
            yield proxy


def accepts(port: int) -> bool:
    """Return whether a port of 127.0.0.1 accepts connections."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def complete(pylb: Server, count: int) -> bool:
    """Return whether all services have all of their permanent instances."""
    with urllib.request.urlopen(f"{pylb.url}/ready", timeout=30) as answer:
        services = orjson.loads(answer.read())["services"]
    return len(services) == count and all(each["instances"] == STEADY for each in services.values())


def appear(services: Services, client: Client, name: str, port: int, result: Result) -> None:
    """Register a service and deregister it; wait for the effect of both."""
    services.register(name, 0, port)
    appeared = client.until(name, b"new")
    services.deregister(name, 0)
    disappeared = client.until_not(name, b"new", quiet=0.1)
    if appeared is None or disappeared is None:
        result.lost += 1
    else:
        result.appeared.append(appeared)
        result.disappeared.append(disappeared)


def role_of(process: psutil.Process) -> str:
    """Return which of pylb's processes this is."""
    command = process.cmdline()
    if "pylb" not in " ".join(command):
        return "process"
    return next((role for role in ("control", "worker") if role in command), "supervisor")


def describe(result: Result, routes: int) -> str:
    """Return the figures as text."""
    lines = [f"{result.peer}: {result.services} services x {STEADY}, {result.services * routes} routes"]
    for what, times in (("first request", result.appeared), ("last request", result.disappeared)):
        if len(times) > 1:
            p99 = quantiles(times, n=100, method="inclusive")[-1]
            figures = (
                f"p50 {1e3 * median(times):.1f} ms, p99 {1e3 * p99:.1f} ms, max {1e3 * max(times):.1f} ms"
            )
            lines.append(f"  {what}: {figures} ({len(times)} services)")
    memory = ", ".join(f"{role} {size / 1e6:.0f} MB" for role, size in sorted(result.memory.items()))
    lines.append(f"  ready after {result.ready:.1f} s, {result.connections} connections to Consul, {memory}")
    return "\n".join([*lines, f"  {result.lost} changes lost"])


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.change.new_service", description="From a new service to its first request."
    )
    option = parser.add_argument
    peers = [PYLB, "traefik-watch", "traefik"]
    option(
        "--peers", nargs="+", choices=peers, default=[PYLB], help="the proxies, one after the other (pylb)"
    )
    option("--services", type=positive, nargs="+", default=[3, 1000], help="permanent services (3 1000)")
    option("--routes", type=positive, default=10, help="routes of each service (10)")
    option("--changes", type=positive, default=100, help="new services (100)")
    option("--workers", type=positive, default=1, help="workers of pylb (1)")
    option("--json", type=Path, metavar="FILE", help="also write every time in seconds to this file")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options = parse(arguments)
    raise_file_limit()

    def measured(console: Console) -> Outcome:
        results = []
        for count, peer in product(options.services, options.peers):
            result = measure(peer, count, options.routes, options.changes, options.workers)
            console.print(describe(result, options.routes), highlight=False)
            results.append(asdict(result))
        return Outcome({"results": results})

    return run_command("bench.change.new_service", options.json, measured)


if __name__ == "__main__":
    sys.exit(main())

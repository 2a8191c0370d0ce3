"""How fast a change reaches the traffic, and what it costs the clients.

`python -m bench.change` runs a real Consul, three instances, pylb before them and a constant load. Again and
again a further instance is registered, and deregistered when it has had requests for a moment. What counts:
time from the return of the registering call to the first request at the new instance, time from the return
of the deregistering call to the last one, requests that failed, client connections that were closed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median, quantiles

import orjson
import psutil
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.consul import Catalog, CatalogError, serve_consul
from bench.fleet import workshop
from bench.machine import Cores, Machine
from bench.options import end_on_signals, positive
from bench.packages import MissingError, Script
from bench.server import Command, Server, StartError, free_port, serve, wait_for
from bench.stamps import Stamps
from bench.workload import Workload
from bench.wrk import Load, LoadError, Wrk

REPOSITORY = Path(__file__).parents[1]
SERVICE = "web"
STEADY = 3
"""Instances that stay."""
PASSING = 8
"""Ports that the passing instances use in turn, so that each differs from the one before."""
PATIENCE = 10.0
"""Seconds after which a change that has not reached the traffic is given up."""
QUIET = 0.2
"""Seconds without a request after which the last one is taken to have been the last."""
A_DAY = 86_400


@dataclass
class Changes:
    """What the changes looked like from the origins and from the clients."""

    appeared: list[float] = field(default_factory=list)
    """Seconds from each registration to the first request."""
    vanished: list[float] = field(default_factory=list)
    """Seconds from each deregistration to the last request; 0 if that came before the call returned."""
    lost: int = 0
    """Changes that did not reach the traffic in time."""
    closed: int = 0
    """Client connections that were closed, counted once per change."""


class Clients:
    """The connections of a running wrk."""

    def __init__(self, wrk: Wrk, server: Server, connections: int) -> None:
        self._process = psutil.Process(wrk.pid)
        self._port = server.port
        wait_for(lambda: len(self._ports()) == connections, PATIENCE)
        self._before = self._ports()

    def closed(self) -> int:
        """How many of the connections of the last call, or of the beginning, are gone."""
        now = self._ports()
        gone = len(self._before - now)
        self._before = now
        return gone

    def _ports(self) -> set[int]:
        return {
            connection.laddr.port
            for connection in self._process.net_connections("tcp")
            if connection.raddr and connection.raddr.port == self._port and connection.status == "ESTABLISHED"
        }


@dataclass(frozen=True)
class Newcomer:
    """An instance that comes and goes."""

    id: str
    port: int
    slot: int
    """Where its stamps are."""


def arrive(catalog: Catalog, stamps: Stamps, newcomer: Newcomer) -> float:
    """Register an instance; return when that was done."""
    stamps.forget(newcomer.slot)
    catalog.register(newcomer.id, newcomer.port)
    return time.monotonic()


def leave(catalog: Catalog, stamps: Stamps, newcomer: Newcomer) -> float | None:
    """Deregister an instance; return the seconds until its last request, None if they go on and on."""
    slot = newcomer.slot
    catalog.deregister(newcomer.id)
    deregistered = time.monotonic()
    if wait_for(lambda: time.monotonic() - max(stamps.last(slot), deregistered) > QUIET, PATIENCE):
        return max(0.0, stamps.last(slot) - deregistered)
    return None


def change(catalog: Catalog, stamps: Stamps, newcomer: Newcomer, changes: Changes) -> None:
    """Register an instance, wait for its first request, deregister it, wait for its last one."""
    slot = newcomer.slot
    registered = arrive(catalog, stamps, newcomer)
    if wait_for(lambda: stamps.first(slot) > 0, PATIENCE):
        changes.appeared.append(max(0.0, stamps.first(slot) - registered))
    else:
        changes.lost += 1
    time.sleep(QUIET)
    vanished = leave(catalog, stamps, newcomer)
    if vanished is None:
        changes.lost += 1
    else:
        changes.vanished.append(vanished)


@contextmanager
def serve_stamps(directory: Path, ports: Sequence[int], cores: Sequence[int]) -> Iterator[Stamps]:
    """Run stamping origins on these ports for as long as the context lasts; slots are in the ports' order."""
    stamps = Stamps(directory / "stamps", len(ports))
    argv = [sys.executable, "-m", "bench.stamping_origin", str(directory / "stamps"), *map(str, ports)]
    command = Command(argv, {"PYTHONPATH": str(REPOSITORY)})
    with serve("origins", command, ports[-1], directory, cores) as origins:
        origins.wait_until_it_answers("/")
        yield stamps


def measure(options: argparse.Namespace, console: Console) -> tuple[Changes, Load]:
    """Run everything; end everything."""
    cores = Cores.split()
    cores.step_aside()
    changes = Changes()
    with ExitStack() as stack:
        consul = stack.enter_context(serve_consul(stack.enter_context(workshop()), cores.load))
        ports = [free_port() for _ in range(STEADY + PASSING)]
        stamps = stack.enter_context(serve_stamps(stack.enter_context(workshop()), ports, cores.load))
        catalog = Catalog(consul, SERVICE)
        for number, port in enumerate(ports[:STEADY], 1):
            catalog.register(f"web-{number}", port)
        listen = free_port()
        argv = [str(Script("pylb").locate()), "--consul", f"127.0.0.1:{consul.port}", "--service", SERVICE]
        command = Command([*argv, "--listen", f"127.0.0.1:{listen}", "--admin", "off"])
        pylb = stack.enter_context(
            serve("pylb", command, listen, stack.enter_context(workshop()), cores.proxy)
        )
        pylb.wait_until_it_answers("/")
        workload = Workload("steady", "GET, 3-byte answer", "/", options.connections)
        wrk = Wrk(pylb.url, workload, A_DAY, cores.load)
        try:
            clients = Clients(wrk, pylb, options.connections)
            for number in track(range(options.changes), "changing", console=console, transient=True):
                slot = STEADY + number % PASSING
                change(catalog, stamps, Newcomer(f"web-new-{number}", ports[slot], slot), changes)
                changes.closed += clients.closed()
        finally:
            wrk.stop()
            load = wrk.finish()
    return changes, load


def show(changes: Changes, load: Load, console: Console) -> None:
    """Print times in milliseconds and what the clients lost."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("ms", no_wrap=True)
    for heading in ("median", "p99", "max", "changes"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, times in (
        ("registration → first request", changes.appeared),
        ("deregistration → last request", changes.vanished),
    ):
        if len(times) > 1:
            figures = (median(times), quantiles(times, n=100, method="inclusive")[-1], max(times))
            table.add_row(name, *(f"{1e3 * figure:.1f}" for figure in figures), str(len(times)))
    console.print(table)
    console.print(
        f"{load.requests:,} requests ({load.rate:,.0f}/s, p99 {load.p99:.1f} ms), "
        f"{load.errors} failed (status {load.refused}, broken {load.broken}, late {load.late}), "
        f"{changes.closed} client connections closed, {changes.lost} changes that never reached the traffic",
        highlight=False,
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.change", description="Time from change to traffic."
    )
    parser.add_argument(
        "--changes", type=positive, default=200, help="registrations, each undone again (200)"
    )
    parser.add_argument("--connections", type=positive, default=64, help="busy client connections (64)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every time, in seconds")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options = parse(arguments)
    console = Console()
    machine = Machine.this()
    console.print(str(machine), highlight=False)
    try:
        with end_on_signals():
            changes, load = measure(options, console)
    except (MissingError, StartError, LoadError, CatalogError) as error:
        Console(stderr=True).print(f"bench.change: {error}", highlight=False, markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    show(changes, load, console)
    if options.json:
        content = {"machine": asdict(machine), "changes": asdict(changes), "load": asdict(load)}
        options.json.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

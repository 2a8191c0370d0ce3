"""How fast a change reaches the traffic, and what it costs the clients: pylb next to its rivals.

`python -m bench.change` runs a real Consul, some instances, a proxy before them that follows the registry,
and a constant load. Again and again a further instance is registered, and deregistered when it has had
requests for a moment. What counts: time from the return of the registering call to the first request at the
new instance, time from the return of the deregistering call to the last one, requests that failed, client
connections that were closed. An instance that has left goes on answering: nobody pays for being late.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
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
from bench.options import end_on_signals, names_of, positive
from bench.packages import MissingError
from bench.peers.follower import FOLLOWERS, Follower, Registry
from bench.peers.peer import Site
from bench.ports import free_port
from bench.server import Command, Server, StartError, serve, wait_for
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
PAPER_WIDTH = 130
"""Columns of the output, where it does not go to a terminal."""
LEGEND = (
    "ms from a registration to the first request, from a deregistration to the last one. failed: requests; "
    "closed: client connections; lost: changes that never reached the traffic. p99: of requests, in ms."
)


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


def leave(catalog: Catalog, stamps: Stamps, newcomer: Newcomer, patience: float = PATIENCE) -> float | None:
    """Deregister an instance; return the seconds until its last request, None if they go on and on."""
    slot = newcomer.slot
    catalog.deregister(newcomer.id)
    deregistered = time.monotonic()
    if wait_for(lambda: time.monotonic() - max(stamps.last(slot), deregistered) > QUIET, patience):
        return max(0.0, stamps.last(slot) - deregistered)
    return None


def change(catalog: Catalog, stamps: Stamps, newcomer: Newcomer, changes: Changes, patience: float) -> None:
    """Register an instance, wait for its first request, deregister it, wait for its last one."""
    slot = newcomer.slot
    registered = arrive(catalog, stamps, newcomer)
    if wait_for(lambda: stamps.first(slot) > 0, patience):
        changes.appeared.append(max(0.0, stamps.first(slot) - registered))
    else:
        changes.lost += 1
    time.sleep(QUIET)
    vanished = leave(catalog, stamps, newcomer, patience)
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


@dataclass(frozen=True)
class Stage:
    """A registry and instances, the same for each proxy."""

    registry: Registry
    catalog: Catalog
    stamps: Stamps
    ports: Sequence[int]
    """Those of the instances that come and go are the last ones."""
    cores: Cores


@dataclass(frozen=True)
class Result:
    """What one proxy did."""

    version: str
    changes: Changes
    load: Load
    propagation: Mapping[str, Mapping[str, int]]
    """What the proxy measured itself: by histogram and bucket."""


@contextmanager
def set_up(instances: int) -> Iterator[Stage]:
    """Run Consul, and instances that it knows."""
    cores = Cores.split()
    cores.step_aside()
    with ExitStack() as stack:
        dns = free_port()
        consul = stack.enter_context(serve_consul(stack.enter_context(workshop()), cores.load, dns))
        ports = [free_port() for _ in range(instances + PASSING)]
        stamps = stack.enter_context(serve_stamps(stack.enter_context(workshop()), ports, cores.load))
        catalog = Catalog(consul, SERVICE)
        for number, port in enumerate(ports[:instances], 1):
            catalog.register(f"web-{number}", port)
        yield Stage(Registry(consul.port, dns, SERVICE), catalog, stamps, ports, cores)


def measure(follower: Follower, stage: Stage, changes: int, connections: int, console: Console) -> Result:
    """Put one proxy before the instances, and let others come and go."""
    seen = Changes()
    with ExitStack() as stack:
        home = stack.enter_context(workshop())
        site = Site(home, free_port(), ())
        command = follower.command(site, stage.registry)
        proxy = stack.enter_context(serve(follower.name, command, site.port, home, stage.cores.proxy))
        proxy.wait_until_it_answers("/")
        workload = Workload("steady", "GET, 3-byte answer", "/", connections)
        wrk = Wrk(proxy.url, workload, A_DAY, stage.cores.load)
        try:
            clients = Clients(wrk, proxy, connections)
            for number in track(range(changes), follower.name, console=console, transient=True):
                slot = len(stage.ports) - 1 - number % PASSING
                newcomer = Newcomer(f"web-new-{number}", stage.ports[slot], slot)
                change(stage.catalog, stage.stamps, newcomer, seen, follower.patience)
                seen.closed += clients.closed()
            propagation = follower.propagation()
        finally:
            wrk.stop()
            load = wrk.finish()
    return Result(follower.version(), seen, load, propagation)


def show(results: Mapping[str, Result], console: Console) -> None:
    """Print times in milliseconds and what the clients lost."""
    table = Table(box=box.SIMPLE_HEAD, caption=LEGEND, caption_justify="left")
    table.add_column("proxy", no_wrap=True)
    times = ("first: median", "p99", "max", "last: median", "p99", "max")
    for heading in (*times, "failed", "closed", "lost", "requests/s", "p99"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, result in results.items():
        changes, load = result.changes, result.load
        table.add_row(
            f"{name} {result.version}",
            *_times(changes.appeared),
            *_times(changes.vanished),
            *(f"{number:,}" for number in (load.errors, changes.closed, changes.lost)),
            f"{load.rate:,.0f}",
            f"{load.p99:.1f}",
            style="bold" if name == "pylb" else None,
        )
    console.print(table)


def show_propagation(histograms: Mapping[str, Mapping[str, int]], console: Console) -> None:
    """Print what a proxy measured itself, a column per bucket that was hit."""
    hit = [bound for buckets in histograms.values() for bound, count in buckets.items() if count]
    bounds = [bound for bound in next(iter(histograms.values())) if bound in hit]
    table = Table(
        box=box.SIMPLE_HEAD, caption="changes by the time since Consul's answer", caption_justify="left"
    )
    table.add_column("from Consul's answer until", no_wrap=True)
    for bound in bounds:
        table.add_column("more" if bound == "+Inf" else f"≤ {float(bound) * 1e3:g} ms", justify="right")
    for meaning, buckets in histograms.items():
        table.add_row(meaning, *(f"{buckets[bound]:,}" for bound in bounds))
    console.print(table)


def _times(seconds: Sequence[float]) -> tuple[str, str, str]:
    """Median, p99 and maximum in milliseconds; nothing where there is nothing."""
    if len(seconds) < 2:
        return ("", "", "")
    figures = (median(seconds), quantiles(seconds, n=100, method="inclusive")[-1], max(seconds))
    first, second, third = (f"{1e3 * figure:,.1f}" for figure in figures)
    return first, second, third


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.change", description="Time from change to traffic."
    )
    parser.add_argument(
        "--changes", type=positive, default=200, help="registrations, each undone again (200)"
    )
    parser.add_argument(
        "--peers", type=names_of(FOLLOWERS), default=["pylb"], metavar="NAME,...", help=",".join(FOLLOWERS)
    )
    parser.add_argument("--instances", type=positive, default=STEADY, help="instances that stay (3)")
    parser.add_argument("--connections", type=positive, default=64, help="busy client connections (64)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every time, in seconds")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options = parse(arguments)
    console = Console() if sys.stdout.isatty() else Console(width=PAPER_WIDTH)
    machine = Machine.this()
    console.print(str(machine), highlight=False)
    results: dict[str, Result] = {}
    try:
        with end_on_signals(), set_up(options.instances) as stage:
            for name in options.peers:
                try:
                    follower = FOLLOWERS[name]
                    results[name] = measure(follower, stage, options.changes, options.connections, console)
                except (MissingError, StartError, subprocess.SubprocessError) as error:
                    console.print(f"{name} is missing: {error}", highlight=False, markup=False)
    except (MissingError, StartError, LoadError, CatalogError) as error:
        Console(stderr=True).print(f"bench.change: {error}", highlight=False, markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    show(results, console)
    for result in results.values():
        if result.propagation:
            show_propagation(result.propagation, console)
    if options.json:
        content = {"machine": machine, "instances": options.instances, "results": results}
        options.json.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

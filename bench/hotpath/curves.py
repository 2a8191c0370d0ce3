"""How the CPU time of a request grows with backends, connections, header fields and services.

`python -m bench.hotpath.curves` measures a small request at some points of each curve. All proxies take turns
in every round. Proxies are restarted where the next point needs another configuration.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bench.hotpath.measure import WARM_UP, measure
from bench.lib import raw
from bench.lib.console import output_console
from bench.lib.figure import Figure
from bench.lib.fleet import start_fleet, temporary_directory
from bench.lib.machine import Cores, Machine
from bench.lib.options import interrupt_on_signals, names_of, positive, raise_file_limit
from bench.lib.origin import NGINX, serve_origin
from bench.lib.packages import MissingError, version_of
from bench.lib.peers.catalog import PEERS
from bench.lib.ports import free_ports
from bench.lib.sample import Sample
from bench.lib.server import StartError
from bench.lib.workload import BROWSER_HEADERS, WORKLOADS, Workload
from bench.lib.wrk import WRK, LoadError

SMALL = WORKLOADS["small"]
FEWEST_HEADERS = len(BROWSER_HEADERS) + 1
"""The header fields of a browser, and `Host`."""
DEFAULT_PEERS = ("pylb", "nginx", "haproxy", "envoy", "traefik", "caddy")


@dataclass(frozen=True)
class SetUp:
    """The configuration that the proxies are started with."""

    origins: int = 1
    services: int = 1


@dataclass(frozen=True)
class Curve:
    """The parameter that varies, and its values."""

    along: str
    places: tuple[int, ...]
    workload: Callable[[int], Workload] = lambda _: SMALL
    set_up: Callable[[int], SetUp] = lambda _: SetUp()


CURVES = {
    "connections": Curve(
        "busy connections of clients", (1, 16, 64, 512), lambda n: replace(SMALL, connections=n)
    ),
    "headers": Curve(
        "header fields of a request",
        (
            FEWEST_HEADERS,
            20,
            50,
            90,
        ),  # Many proxies reject more than 100, including the fields that they add.
        lambda n: replace(SMALL, extra_headers=n - FEWEST_HEADERS),
    ),
    "backends": Curve("backends of the service", (3, 100, 1000), set_up=lambda n: SetUp(origins=n)),
    "services": Curve(
        "services, each with a host name, that receive the requests in turn",
        (1, 100, 1000),
        lambda n: replace(SMALL, services=n),
        lambda n: SetUp(services=n),
    ),
}


@dataclass
class Point:
    """A point of a curve and its samples."""

    curve: str
    place: int
    samples: list[Sample] = field(default_factory=list)

    @property
    def set_up(self) -> SetUp:
        """The configuration of the proxies for this point."""
        return CURVES[self.curve].set_up(self.place)

    @property
    def workload(self) -> Workload:
        """The workload of this point."""
        return replace(CURVES[self.curve].workload(self.place), name=f"{self.place:,} {self.curve}")


@dataclass
class Curves:
    """All points of one run."""

    points: list[Point]
    versions: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    """Why a proxy is missing from a curve, by proxy and curve."""


def trace(curves: Curves, options: argparse.Namespace, cores: Cores, console: Console) -> Iterator[str]:
    """Measure all points, fleet by fleet, and yield a description of each step.

    With many backends, each round starts with a load that is not counted: a proxy may close its connections
    to them during the turns of the others, and opening a thousand connections takes time.
    """
    for set_up, points in groupby(curves.points, lambda point: point.set_up):
        with ExitStack() as stack:
            ports = free_ports(set_up.origins)
            origin = serve_origin(stack.enter_context(temporary_directory()), cores.load, ports)
            stack.enter_context(origin)
            fleet = stack.enter_context(
                start_fleet(
                    [PEERS[name] for name in options.peers],
                    ports,
                    SMALL.path,
                    cores,
                    console,
                    services=set_up.services,
                )
            )
            curves.versions.update(fleet.versions)
            for point in points:
                for peer, reason in fleet.missing.items():
                    curves.missing[f"{peer} ({point.workload.name})"] = reason
                for number in range(1, options.rounds + 1):
                    for server in fleet.servers:
                        if number == 1 or set_up.origins * set_up.services > 1:
                            measure(server, point.workload, 0, WARM_UP, cores)
                        sample = measure(server, point.workload, number, options.seconds, cores)
                        point.samples.append(sample)
                        yield f"{point.workload.name}, round {number}, {server.name}"


def show(curves: Curves, console: Console) -> None:
    """Print a table per curve."""
    for name, curve in CURVES.items():
        points = [point for point in curves.points if point.curve == name and point.samples]
        peers = list(dict.fromkeys(sample.peer for point in points for sample in point.samples))
        table = Table(title=f"CPU µs by {curve.along}", title_justify="left", box=box.SIMPLE_HEAD)
        table.add_column("proxy", no_wrap=True)
        for point in points:
            table.add_column(f"{point.place:,}", justify="right", no_wrap=True)
        for peer in peers:
            rounds = [[each.cpu for each in point.samples if each.peer == peer] for point in points]
            table.add_row(peer, *(str(Figure.of(each)) if each else "" for each in rounds))
        if points:
            console.print(table)
    for peer, reason in curves.missing.items():
        console.print(f"without {peer}: {reason}", style="red", highlight=False, markup=False)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.hotpath.curves",
        description="CPU time per request by connections, header fields, backends and services.",
    )
    for option, known, default in (("--peers", PEERS, DEFAULT_PEERS), ("--curves", CURVES, CURVES)):
        names = ",".join(known)
        parser.add_argument(
            option,
            type=names_of(known),
            default=list(default),
            metavar="NAME,...",
            help=f"{names} ({'all' if default is known else ','.join(default)})",
        )
    parser.add_argument("--rounds", type=positive, default=3, help="rounds per proxy and point (3)")
    parser.add_argument("--seconds", type=positive, default=2, help="length of a round in seconds (2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write conditions and rounds")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. A proxy that is missing does not make it fail; the output names it."""
    options = parse(arguments)
    console = output_console()
    machine, cores = Machine.this(), Cores.split()
    cores.leave_proxy_core()
    raise_file_limit()
    curves = Curves([Point(name, place) for name in options.curves for place in CURVES[name].places])
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        curves.versions["origin"] = f"nginx {version_of(NGINX, '-v')}"
        curves.versions["load"] = f"wrk {version_of(WRK)}"
        with interrupt_on_signals(), Progress(*columns, console=console, transient=True) as progress:
            steps = len(curves.points) * len(options.peers) * options.rounds
            task = progress.add_task("starting", total=steps)
            for done in trace(curves, options, cores, console):
                progress.update(task, description=done, advance=1)
    except (MissingError, StartError, LoadError) as error:
        Console(stderr=True).print(f"bench.hotpath.curves: {error}", highlight=False, markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("[bold red]Interrupted[/]: the tables lack the last rounds.")
    console.print(str(machine), highlight=False)
    show(curves, console)
    if options.json:
        settings = {"rounds": options.rounds, "seconds per round": options.seconds}
        along = {name: CURVES[name].along for name in options.curves}
        raw.write(options.json, {"machine": machine, "settings": settings, "along": along, **vars(curves)})
    return 0


if __name__ == "__main__":
    sys.exit(main())

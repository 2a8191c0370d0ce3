"""What a request costs: the CPU time per request of pylb and of other proxies.

`python -m bench.hotpath` starts an origin and all proxies on free ports of 127.0.0.1, puts each under the
same load in turn, round after round, and prints the medians. Compare the CPU time per request: it is stable
on a busy machine, where throughput and latency are not.

`--before DIR` adds the pylb of another checkout as the peer `before` and prints the ratio pylb/before for
each workload. A change of the hot path is compared with the commit before it by this ratio.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench.hotpath.measure import interleave
from bench.hotpath.run import REFERENCE, Run
from bench.lib.console import output_console
from bench.lib.fleet import start_fleet, temporary_directory
from bench.lib.h2load import H2LOAD
from bench.lib.machine import Cores, Machine
from bench.lib.options import interrupt_on_signals, names_of, positive
from bench.lib.origin import NGINX, serve_origin
from bench.lib.packages import Checkout, MissingError, version_of
from bench.lib.peers.catalog import PEERS
from bench.lib.peers.peer import Peer
from bench.lib.peers.pylb import Pylb
from bench.lib.server import StartError
from bench.lib.workload import WORKLOADS
from bench.lib.wrk import WRK, LoadError

PYLB = "pylb"
"""The peer that is this checkout's pylb."""

BEFORE = "before"
"""The peer that is the pylb of the checkout that `--before` names."""


def peers_of(options: argparse.Namespace) -> list[Peer]:
    """The proxies to measure. With `--before` they include `pylb` and `before`, one after the other."""
    names = options.peers or ([PYLB, REFERENCE] if options.before else list(PEERS))
    peers = [PEERS[name] for name in names]
    if not options.before:
        return peers
    others = [peer for peer in peers if peer.name != PYLB]
    return [PEERS[PYLB], Pylb(BEFORE, source=options.before), *others]


def run(options: argparse.Namespace, console: Console) -> Run:
    """Start everything, measure, and stop everything. After Ctrl-C, the complete rounds are returned."""
    machine, cores = Machine.this(), Cores.split()
    cores.leave_proxy_core()
    workloads = [
        replace(WORKLOADS[name], connections=options.connections or WORKLOADS[name].connections)
        for name in options.workloads
    ]
    result = Run(
        machine=machine,
        workloads=workloads,
        settings={
            "rounds": options.rounds,
            "seconds per round": options.seconds,
            "core of the proxy": ", ".join(map(str, cores.proxy)),
            "cores of load and origin": ", ".join(map(str, cores.load)),
        },
    )
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with ExitStack() as stack:
        try:
            origin = stack.enter_context(serve_origin(stack.enter_context(temporary_directory()), cores.load))
            result.versions["origin"] = f"nginx {version_of(NGINX, '-v')}"
            result.versions["load"] = f"wrk {version_of(WRK)}, h2load {version_of(H2LOAD)}"
            start = start_fleet(peers_of(options), [origin.port], WORKLOADS["small"].path, cores, console)
            fleet = stack.enter_context(start)
            if options.before and (absent := {PYLB, BEFORE} & fleet.missing.keys()):
                raise StartError("; ".join(fleet.missing[name] for name in sorted(absent)))
            result.versions.update(fleet.versions)
            result.missing.update(fleet.missing)
            progress = stack.enter_context(Progress(*columns, console=console, transient=True))
            measured = len(workloads) * len(fleet.servers)
            task = progress.add_task("first warm-up", total=measured * (options.rounds + 1))
            for done, sample in interleave(fleet.servers, workloads, options.rounds, options.seconds, cores):
                progress.update(task, description=done, advance=1)
                if sample:
                    result.samples.append(sample)
        except KeyboardInterrupt:
            console.print("[bold red]Interrupted[/]: the tables lack the last rounds.")
    return result


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.hotpath", description="CPU time per request of pylb and other proxies."
    )
    parser.add_argument(
        "--peers",
        type=names_of(PEERS),
        metavar="NAME,...",
        help=f"proxies to measure: {','.join(PEERS)} (all; with --before {PYLB},{REFERENCE})",
    )
    parser.add_argument(
        "--before",
        type=Checkout.parse,
        metavar="DIR",
        help=f"checkout of pylb with its own .venv, measured as `{BEFORE}`; prints the ratio {PYLB}/{BEFORE}",
    )
    parser.add_argument(
        "--workloads",
        type=names_of(WORKLOADS),
        default=list(WORKLOADS),
        metavar="NAME,...",
        help=f"workloads: {','.join(WORKLOADS)} (all)",
    )
    parser.add_argument("--rounds", type=positive, default=5, help="rounds per proxy and workload (5)")
    parser.add_argument("--seconds", type=positive, default=3, help="length of a round in seconds (3)")
    parser.add_argument(
        "--connections",
        type=positive,
        help="client connections for all workloads (by default each workload has its own number)",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write conditions, rounds and medians as JSON"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. A proxy that is missing does not make it fail; the output names it."""
    options = parse(arguments)
    console = output_console()
    try:
        with interrupt_on_signals():
            result = run(options, console)
    except (MissingError, StartError, LoadError) as error:
        Console(stderr=True).print(f"bench.hotpath: {error}", highlight=False, markup=False)
        return 1
    result.show(console)
    if options.before:
        result.show_change(console, PYLB, BEFORE)
    if options.json:
        result.save(options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())

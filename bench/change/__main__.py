"""The command line of `bench.change`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from bench.change.environment import STEADY, Settings, set_up
from bench.change.measure import Result, measure
from bench.change.tables import show
from bench.lib import raw
from bench.lib.console import output_console
from bench.lib.consul import CatalogError
from bench.lib.machine import Machine
from bench.lib.options import interrupt_on_signals, names_of, positive, raise_file_limit, seconds
from bench.lib.packages import MissingError
from bench.lib.peers.follower import FOLLOWERS
from bench.lib.rounds import interleaved
from bench.lib.server import StartError
from bench.lib.wrk import LoadError

PAPER_WIDTH = 160
"""Columns of output that does not go to a terminal."""
ANSWER, STOP = "answer", "stop"
"""What an instance does after its deregistration: the values of `--gone`."""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.change", description="Time from change to traffic, and what a change costs."
    )
    option = parser.add_argument
    option(
        "--changes",
        type=positive,
        default=200,
        help="registrations, each followed by its deregistration (200)",
    )
    option(
        "--before", type=seconds, default=5.0, help="seconds of load without changes before the changes (5)"
    )
    option(
        "--rate",
        type=positive,
        metavar="N",
        help="changes per second; by default each change waits for the previous one",
    )
    option("--seconds", type=seconds, default=30.0, help="duration of the changes with --rate (30)")
    option(
        "--lifetime",
        type=seconds,
        default=2.0,
        help="seconds from registration to deregistration with --rate (2)",
    )
    option(
        "--gone",
        choices=(ANSWER, STOP),
        default=ANSWER,
        help="what an instance does after its deregistration (answer)",
    )
    option(
        "--notice",
        type=seconds,
        default=0.1,
        help="seconds from deregistration until an instance stops, with --gone stop (0.1)",
    )
    option("--rounds", type=positive, default=1, help="rounds per proxy (1)")
    peers = ",".join(FOLLOWERS)
    option(
        "--peers",
        type=names_of(FOLLOWERS),
        default=["pylb"],
        metavar="NAME,...",
        help=f"proxies: {peers} (pylb)",
    )
    option("--instances", type=positive, default=STEADY, help="permanent instances (3)")
    option(
        "--connections",
        type=positive,
        default=64,
        help="client connections, each with one request in progress (64)",
    )
    option("--json", type=Path, metavar="FILE", help="also write all measured times, in seconds")
    return parser.parse_args(arguments)


def save(
    path: Path,
    machine: Machine,
    settings: Settings,
    results: Mapping[str, Sequence[Result]],
    missing: Mapping[str, str],
) -> None:
    """Write conditions and figures as JSON."""
    content = {
        "machine": machine,
        "settings": settings,
        "versions": {name: rounds[0].version for name, rounds in results.items()},
        "missing": missing,
        "results": {
            name: [asdict(each) | {"cpu_per_change": each.cost and each.cost.each} for each in rounds]
            for name, rounds in results.items()
        },
    }
    raw.write(path, content)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. A proxy that is missing does not make it fail; the output names it."""
    options = parse(arguments)
    settings = Settings(
        rounds=options.rounds,
        instances=options.instances,
        connections=options.connections,
        changes=options.changes,
        rate=options.rate,
        before=options.before,
        seconds=options.seconds,
        lifetime=options.lifetime,
        stops=options.gone == STOP,
        notice=options.notice,
    )
    console = output_console(PAPER_WIDTH)
    machine = Machine.this()
    console.print(str(machine), highlight=False)
    results: dict[str, list[Result]] = {}
    missing: dict[str, str] = {}
    raise_file_limit()
    try:
        with interrupt_on_signals(), set_up(options.instances) as environment:
            for name in interleaved(options.peers, options.rounds, missing):
                try:
                    result = measure(FOLLOWERS[name], environment, settings, console)
                except (MissingError, StartError, subprocess.SubprocessError) as error:
                    missing[name] = str(error)
                    console.print(f"{name} is missing: {error}", highlight=False, markup=False)
                else:
                    results.setdefault(name, []).append(result)
    except (MissingError, StartError, LoadError, CatalogError) as error:
        Console(stderr=True).print(f"bench.change: {error}", highlight=False, markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    show(results, console)
    if options.json:
        save(options.json, machine, settings, results, missing)
    return 0


if __name__ == "__main__":
    sys.exit(main())

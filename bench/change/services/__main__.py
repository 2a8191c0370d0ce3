"""The command; see the package."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median, quantiles

from rich.console import Console
from rich.table import Table

from bench.change.services.measure import Result, Settings, measure
from bench.lib.command import Outcome, run_command
from bench.lib.options import positive, raise_file_limit, seconds

MS, KB = 1e3, 1e-3


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.change.services", description="Many services on one Consul agent."
    )
    option = parser.add_argument
    option("--services", type=positive, nargs="+", default=[8, 300, 1000], help="services (8 300 1000)")
    option("--nodes", type=positive, default=3, help="nodes among which instances are divided (3)")
    option("--own", type=int, default=-1, help="services with a separate query (pylb's default)")
    option("--workers", type=positive, default=1, help="workers of pylb (1)")
    option("--changes", type=positive, default=30, help="temporary instances (30)")
    option("--quiet", type=seconds, default=10.0, help="seconds of measurement without changes (10)")
    option("--unchecked", action="store_true", help="register instances without checks")
    option("--json", type=Path, metavar="FILE", help="also write every time in seconds to this file")
    return parser.parse_args(arguments)


def print_result(result: Result, settings: Settings, console: Console) -> None:
    """Print the figures for one number of services."""
    assert result.changing
    assert result.idle
    table = Table(title=f"{settings.services} services x 3 on {settings.nodes} nodes", title_justify="left")
    for heading in ("change", "p50 ms", "p99 ms", "longest ms", "count"):
        table.add_column(heading, justify="left" if heading == "change" else "right")
    every = [each for times in result.times.values() for each in times]
    for kind, times in [*result.times.items(), ("all", every)]:
        p99 = quantiles(times, n=100, method="inclusive")[-1] if len(times) > 1 else times[0]
        figures = [f"{MS * each:.1f}" for each in (median(times), p99, max(times))]
        table.add_row(kind, *figures, str(len(times)))
    console.print(table)
    quiet = {name: getattr(result.idle, name) / result.idle.seconds for name in ("consul", "pylb", "read")}
    each = {
        name: (getattr(result.changing, name) - quiet[name] * result.changing.seconds) / result.changes
        for name in quiet
    }
    console.print(
        f"ready after {result.ready:.1f} s, {result.connections} connections, "
        f"{result.rss / 1e6:.0f} MB, {result.lost} changes lost\n"
        f"per change: Consul {MS * each['consul']:.1f} ms, pylb {MS * each['pylb']:.1f} ms of CPU time, "
        f"{KB * each['read']:.0f} kB read (including the client's requests)\n"
        f"per idle second: Consul {MS * quiet['consul']:.1f} ms, pylb {MS * quiet['pylb']:.1f} ms, "
        f"{KB * quiet['read']:.1f} kB",
        highlight=False,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options = parse(arguments)
    raise_file_limit()

    def measured(console: Console) -> Outcome:
        results = []
        for services in options.services:
            settings = Settings(
                services=services,
                nodes=options.nodes,
                own=options.own,
                workers=options.workers,
                changes=options.changes,
                quiet=options.quiet,
                has_checks=not options.unchecked,
            )
            result = measure(settings)
            print_result(result, settings, console)
            results.append({"settings": asdict(settings), "result": asdict(result)})
        return Outcome({"results": results})

    return run_command("bench.change.services", options.json, measured)


if __name__ == "__main__":
    sys.exit(main())

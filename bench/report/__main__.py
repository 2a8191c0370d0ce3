"""Make the missing measurements and write docs/performance.md from all of them.

`python -m bench.report` continues where it was interrupted: the raw figures of each measurement are stored
beside the page when it is complete. They are reused as long as its options and the machine are the same.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from math import ceil
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from bench.lib.machine import Machine
from bench.lib.options import interrupt_on_signals, names_of
from bench.lib.repository import REPOSITORY
from bench.report.compose import write_page
from bench.report.measurements import MEASUREMENTS, Measurement
from bench.report.record import Record
from bench.report.run import MeasureError, measure

DOCS = REPOSITORY / "docs"
QUICK = REPOSITORY / ".cache" / "quick-report"
"""The folder of the page that `--quick` writes; its figures only show that everything works."""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    names = [measurement.name for measurement in MEASUREMENTS]
    parser = argparse.ArgumentParser(
        prog="python -m bench.report", description="Make all measurements and write docs/performance.md."
    )
    parser.add_argument(
        "--only", type=names_of(names), default=names, metavar="NAME,...", help=f"{', '.join(names)} (all)"
    )
    parser.add_argument("--again", action="store_true", help="repeat measurements that are stored")
    parser.add_argument(
        "--write", action="store_true", help="measure nothing, and write the page from the stored figures"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"short rounds with rough figures; the page is written to {QUICK.relative_to(REPOSITORY)}",
    )
    parser.add_argument(
        "--directory", type=Path, metavar="DIR", help="folder of the page and its figures (docs)"
    )
    return parser.parse_args(arguments)


def due(options: argparse.Namespace, figures: Path, machine: Machine) -> list[Measurement]:
    """The measurements that must be made."""
    wanted = [measurement for measurement in MEASUREMENTS if measurement.name in options.only]
    if options.write:
        return []
    if options.again:
        return wanted
    records = {each.name: Record.load(figures / f"{each.name}.json") for each in wanted}
    return [
        each
        for each in wanted
        if not (record := records[each.name])
        or not record.answers(each.arguments(quick=options.quick), machine)
    ]


def make(wanted: Sequence[Measurement], figures: Path, console: Console, *, quick: bool) -> list[str]:
    """Make measurements, one after the other. Returns the errors of those that failed."""
    total = sum(each.estimate(quick=quick) for each in wanted)
    failures = []
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, refresh_per_second=1) as progress:
        task = progress.add_task("", total=total)
        done = 0
        for number, each in enumerate(wanted, 1):
            estimate = each.estimate(quick=quick)
            progress.update(task, description=f"{each.name} ({number} of {len(wanted)})")

            def passed(seconds: float, done: int = done, estimate: int = estimate) -> None:
                progress.update(task, completed=done + min(seconds, estimate))

            try:
                measure(each.arguments(quick=quick), figures / f"{each.name}.json", passed)
            except MeasureError as error:
                failures.append(str(error))
            done += estimate
            progress.update(task, completed=done)
    return failures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. The exit code is 1 if a measurement failed."""
    options = parse(arguments)
    console = Console()
    directory = options.directory or (QUICK if options.quick else DOCS)
    figures = directory / "performance"
    figures.mkdir(parents=True, exist_ok=True)
    wanted = due(options, figures, Machine.this())
    minutes = ceil(sum(each.estimate(quick=options.quick) for each in wanted) / 60)
    if wanted:
        console.print(
            f"{len(wanted)} measurements, about {minutes} min; after Ctrl-C, the same command continues",
            highlight=False,
        )
    try:
        with interrupt_on_signals():
            failures = make(wanted, figures, console, quick=options.quick) if wanted else []
    except KeyboardInterrupt:
        console.print("Interrupted: complete measurements are stored; the same command continues.")
        return 130
    for failure in failures:
        Console(stderr=True).print(f"bench.report: {failure}", highlight=False, markup=False)
    page = write_page(directory)
    console.print(f"Wrote {page} from {figures}", highlight=False)
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())

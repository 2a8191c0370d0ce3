"""Make the measurements that are not there yet, and write docs/performance.md from all of them.

`python -m bench.report` goes on where it was interrupted: the raw figures of each measurement are kept beside
the page as soon as they are complete, and serve again as long as its settings and the machine are the same.
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
"""Where the page goes whose figures are only there to see that everything works."""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    names = [measurement.name for measurement in MEASUREMENTS]
    parser = argparse.ArgumentParser(
        prog="python -m bench.report", description="Measure everything, write docs/performance.md."
    )
    parser.add_argument(
        "--only", type=names_of(names), default=names, metavar="NAME,...", help=", ".join(names)
    )
    parser.add_argument("--again", action="store_true", help="measure even what is there")
    parser.add_argument(
        "--write", action="store_true", help="measure nothing, write the page from what is there"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"short rounds with rough figures; the page goes to {QUICK.relative_to(REPOSITORY)}",
    )
    parser.add_argument(
        "--directory", type=Path, metavar="DIR", help="where the page goes, and its figures (docs)"
    )
    return parser.parse_args(arguments)


def due(options: argparse.Namespace, figures: Path, machine: Machine) -> list[Measurement]:
    """The measurements that have to be made."""
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
    """Make these measurements, one after the other; return what went wrong."""
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
    """Measure, write. The exit code is 1 if a measurement brought no figures."""
    options = parse(arguments)
    console = Console()
    directory = options.directory or (QUICK if options.quick else DOCS)
    figures = directory / "performance"
    figures.mkdir(parents=True, exist_ok=True)
    wanted = due(options, figures, Machine.this())
    minutes = ceil(sum(each.estimate(quick=options.quick) for each in wanted) / 60)
    if wanted:
        console.print(
            f"{len(wanted)} to measure, about {minutes} min; Ctrl-C, and it goes on another time",
            highlight=False,
        )
    try:
        with interrupt_on_signals():
            failures = make(wanted, figures, console, quick=options.quick) if wanted else []
    except KeyboardInterrupt:
        console.print("Interrupted: what is complete is kept; the same command goes on from there.")
        return 130
    for failure in failures:
        Console(stderr=True).print(f"bench.report: {failure}", highlight=False, markup=False)
    page = write_page(directory)
    console.print(f"{page} is written from {figures}", highlight=False)
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())

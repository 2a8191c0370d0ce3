"""`pylb simulate`: runs the simulation for each policy, prints a table and writes files."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import islice
from math import inf
from pathlib import Path

import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pylb.errors import StartError
from pylb.tools.simulate.instance import Instance
from pylb.tools.simulate.options import SimulateOptions
from pylb.tools.simulate.recording import Recording, read_recording
from pylb.tools.simulate.simulation import Layout, Simulation
from pylb.tools.simulate.table import LEGEND, conditions, table
from pylb.tools.simulate.workload import Workload

PAPER_WIDTH = 110
"""Columns of the output if standard output is not a terminal."""

CHUNK = 20_000
"""Requests between two updates of the progress bar."""


def run(options: SimulateOptions) -> int:
    """Run the simulations, print the table, and write the requested files.

    Raises:
        UsageError: the log is not usable.
        StartError: a file cannot be written, or matplotlib is missing.
    """
    recording = read_recording(options.log) if options.log else Recording((), ())
    workload = Workload(options.rate, options.service_time, options.requests, options.seed, recording)
    if options.plot:
        from pylb.tools.simulate.plot import draw  # noqa: PLC0415 - optional dependency; fails before the simulation
    outcomes = []
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        for policy in options.policies:
            task = progress.add_task(policy, total=workload.length)
            simulation = simulate(replace(options, policy=policy))
            arrivals = iter(workload)
            while chunk := list(islice(arrivals, CHUNK)):
                simulation.feed(chunk)
                progress.advance(task, len(chunk))
            outcomes.append(simulation.finish())
    console = Console() if sys.stdout.isatty() else Console(width=PAPER_WIDTH)
    console.print(conditions(options, workload), highlight=False)
    console.print(table(outcomes))
    console.print(LEGEND, style="dim", highlight=False)
    try:
        if options.plot:
            draw(outcomes, Path(options.plot))
        if options.json:
            content = orjson.dumps([outcome.figures() for outcome in outcomes], option=orjson.OPT_INDENT_2)
            Path(options.json).write_bytes(content + b"\n")
    except OSError as error:
        raise StartError(f"cannot write {error.filename}: {error.strerror}") from None
    return 0


def simulate(options: SimulateOptions) -> Simulation:
    """Return the simulation for these options, before its first request.

    Slow instances are the first ones, dying instances the last ones.
    """
    slow, factor = options.slow
    dead, dies, seconds = options.dead or (0, inf, inf)
    instances = [
        Instance(
            options.concurrency,
            factor if number < slow else 1.0,
            *((dies, dies + seconds) if number >= options.instances - dead else ()),
        )
        for number in range(options.instances)
    ]
    layout = Layout(
        options.balancers,
        options.workers,
        options.subset,
        options.overhead,
        options.upstream_keepalive,
        options.clients,
    )
    return Simulation(options, layout, instances, options.seed)

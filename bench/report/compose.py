"""Compose the page: the template with each placeholder replaced by the part of its measurement.

The template contains no figure, and the parts contain nothing but figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.lib.machine import Machine
from bench.lib.template import AtTemplate
from bench.report.bounds import bounds
from bench.report.measurements import MEASUREMENTS
from bench.report.part import Part
from bench.report.parts import (
    change,
    curves,
    failure,
    hotpath,
    memory,
    observe,
    processes,
    simulator_validation,
)
from bench.report.record import Record
from bench.report.regressions import regressions
from bench.report.theme import THEMES

TEMPLATE = Path(__file__).with_name("performance.md")
MISSING = "*Not measured yet.*"
PARTS: Mapping[str, Callable[[Mapping[str, Any]], Part]] = {
    "requests": hotpath.part,
    "payloads": hotpath.part,
    "curves": curves.part,
    "memory": memory.part,
    "change": change.part,
    "busy_change": change.part,
    "failure": failure.part,
    "reload": processes.part,
    "kill_workers": processes.part,
    "kill_control": processes.part,
    "workers": processes.part,
    "observe": observe.part,
    "simulator_validation": simulator_validation.part,
}
"""The function that makes the part of each measurement."""


def write_page(directory: Path) -> Path:
    """Write `performance.md` and its pictures into a directory, from the records in its `performance/`.

    Returns:
        The path of the page.
    """
    figures = directory / "performance"
    found = {each.name: Record.load(figures / f"{each.name}.json") for each in MEASUREMENTS}
    records = {name: record for name, record in found.items() if record}
    parts = {name: PARTS[name](record.result) for name, record in records.items()}
    for part in parts.values():
        for name, draw in part.pictures.items():
            for theme in THEMES:
                (figures / f"{name}-{theme.name}.svg").write_bytes(draw(theme))
    page = directory / "performance.md"
    page.write_text(compose(records, parts))
    return page


def compose(records: Mapping[str, Record], parts: Mapping[str, Part]) -> str:
    """The text of the page."""
    marks = {each.name: MISSING for each in MEASUREMENTS}
    machines = list(dict.fromkeys(_machine(record.machine) for record in records.values()))
    for name, part in parts.items():
        record = records[name]
        where = f" on machine {machines.index(_machine(record.machine)) + 1}" if machines[1:] else ""
        marks[name] = f"{_command(record)}\n\n{part.text}\n\n{_conditions(record, where)}"
    if machines[1:]:
        machines = [f"({number}) {machine}" for number, machine in enumerate(machines, 1)]
    return AtTemplate(TEMPLATE.read_text()).substitute(
        marks,
        machine="; ".join(machines) or MISSING,
        bounds=bounds({name: record.result for name, record in records.items()}),
        regressions=regressions(comparison for part in parts.values() for comparison in part.comparisons),
    )


def _command(record: Record) -> str:
    return f"    python -m {' '.join(record.arguments)}"


def _conditions(record: Record, where: str) -> str:
    """The time, machine, settings and versions of a measurement, and what is missing."""
    result = record.result
    measured = f"{record.measured}{where}, load average {record.machine.load_average} before"
    settings = ", ".join(f"{name} {value}" for name, value in result["settings"].items())
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    missing = "".join(f" Without {peer}: {reason}." for peer, reason in result.get("missing", {}).items())
    return f"<sub>{measured}. {settings}. {versions}.{missing}</sub>"


def _machine(machine: Machine) -> str:
    return (
        f"{machine.cpu}, {machine.cores} cores, {machine.memory_gib} GiB, Linux {machine.kernel}, "
        f"Python {machine.python}"
    )

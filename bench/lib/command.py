"""What all commands have in common: first the conditions, then the figures, a JSON file and the exit code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench.lib import raw
from bench.lib.console import output_console
from bench.lib.consul import CatalogError
from bench.lib.machine import Machine
from bench.lib.options import interrupt_on_signals
from bench.lib.packages import MissingError
from bench.lib.server import StartError
from bench.lib.wrk import LoadError


@dataclass(frozen=True)
class Outcome:
    """What a command has measured."""

    content: Mapping[str, object]
    """For the JSON file, beside the machine."""
    holds: bool = True
    """Whether all bounds are kept."""


def run_command(name: str, json: Path | None, measure: Callable[[Console], Outcome]) -> int:
    """Measure, and return the exit code: 1 if a bound is broken or a program is missing.

    Args:
        name: the module, for error messages.
        json: the file for raw figures; None for none.
        measure: measures and prints the figures.
    """
    console, machine = output_console(), Machine.this()
    console.print(str(machine), highlight=False)
    try:
        with interrupt_on_signals():
            outcome = measure(console)
    except (MissingError, StartError, LoadError, CatalogError) as error:
        Console(stderr=True).print(f"{name}: {error}", highlight=False, markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    if json:
        raw.write(json, {"machine": machine, **outcome.content})
    return 0 if outcome.holds else 1

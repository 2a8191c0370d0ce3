"""What benchmarks of attacks share: they measure one attack after the other, and print a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from bench.lib.fleet import temporary_directory
from bench.lib.machine import Cores, Machine
from bench.lib.options import interrupt_on_signals, raise_file_limit
from bench.lib.origin import serve_origin
from bench.lib.packages import MissingError
from bench.lib.server import Server, StartError

OutcomeT = TypeVar("OutcomeT")


def run_attacks(
    module: str,
    names: Sequence[str],
    console: Console,
    measure: Callable[[str, Server, Cores, Path], OutcomeT],
    table: Callable[[Sequence[OutcomeT]], Table],
) -> int:
    """Measure attacks, print the table, and return the exit code. After Ctrl-C the table has those before.

    Args:
        module: the benchmark, for error messages.
        names: the attacks.
        console: receives the table.
        measure: measures one attack, given its name, the origin, the cores, and a directory for its files.
        table: makes the table of the outcomes.
    """
    raise_file_limit()
    machine, cores = Machine.this(), Cores.split()
    cores.leave_proxy_core()
    outcomes: list[OutcomeT] = []
    try:
        with (
            interrupt_on_signals(),
            temporary_directory() as directory,
            serve_origin(directory, cores.load) as origin,
        ):
            for name in names:
                with console.status(name):
                    outcomes.append(measure(name, origin, cores, directory / name))
    except (MissingError, StartError) as error:
        Console(stderr=True).print(f"{module}: {error}", highlight=False, markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("[bold red]Interrupted[/]: the table lacks the last attacks.")
    console.print(str(machine), highlight=False)
    console.print(table(outcomes))
    return 0

"""Figures of a measurement with the bounds that they must keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from rich import box
from rich.console import Console
from rich.table import Table

from bench.lib.figure import Figure

MARKS = {None: "", True: "[green]✓[/]", False: "[bold red]✗[/]"}


@dataclass
class Verdict:
    """A table of figures. A figure with a bound is marked as kept or broken."""

    rows: list[tuple[str, str, bool | None]] = field(default_factory=list)

    def note(self, name: str, figure: str | Figure) -> None:
        """Add a figure without a bound."""
        self.rows.append((name, str(figure), None))

    def require(self, name: str, figure: str | Figure, *, holds: bool) -> None:
        """Add a figure with a bound, which `name` states."""
        self.rows.append((name, str(figure), holds))

    def require_zero(self, counts: dict[str, int]) -> None:
        """Add counts that must all be 0."""
        for name, count in counts.items():
            self.require(name, f"{count:,}", holds=not count)

    def times(self, name: str, *rounds: Sequence[float], most: float | None = None) -> None:
        """Add the median and the maximum of times in seconds, over all rounds.

        With `most`, each round must have at least one time, and none above `most`.
        """
        some = [seconds for seconds in rounds if seconds]
        figure = "never"
        if some:
            never = len(rounds) - len(some)
            figure = f"median {Figure.of(map(median, some))} s, max {Figure.of(map(max, some))} s"
            figure += f", never in {never} of {len(rounds)}" if never else ""
        bound = "" if most is None else f" (at most {most:g} s)"
        holds = None if most is None else all(seconds and max(seconds) <= most for seconds in rounds)
        self.rows.append((name + bound, figure, holds))

    @property
    def holds(self) -> bool:
        """Whether all bounds are kept."""
        return all(holds is not False for _, _, holds in self.rows)

    def show(self, console: Console) -> None:
        """Print the table."""
        table = Table(box=box.SIMPLE_HEAD, show_header=False)
        for name, figure, holds in self.rows:
            table.add_row(name, figure, MARKS[holds])
        console.print(table)

"""Figures of a proof, next to what they must be."""

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
    """A table of figures; each that has a bound is marked as kept or broken."""

    rows: list[tuple[str, str, bool | None]] = field(default_factory=list)

    def say(self, name: str, figure: str | Figure) -> None:
        """A figure without a bound."""
        self.rows.append((name, str(figure), None))

    def must(self, name: str, figure: str | Figure, *, holds: bool) -> None:
        """A figure with one; the name says which."""
        self.rows.append((name, str(figure), holds))

    def none_of(self, counts: dict[str, int]) -> None:
        """Counts that all must be 0."""
        for name, count in counts.items():
            self.must(name, f"{count:,}", holds=not count)

    def times(self, name: str, *rounds: Sequence[float], most: float | None = None) -> None:
        """Median and maximum of each round's times, which must be there and no longer than `most` in each."""
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
        """Whether no bound is broken."""
        return all(holds is not False for _, _, holds in self.rows)

    def show(self, console: Console) -> None:
        """Print it."""
        table = Table(box=box.SIMPLE_HEAD, show_header=False)
        for name, figure, holds in self.rows:
            table.add_row(name, figure, MARKS[holds])
        console.print(table)

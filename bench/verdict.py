"""Figures of a proof, next to what they must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from rich import box
from rich.console import Console
from rich.table import Table

MARKS = {None: "", True: "[green]✓[/]", False: "[bold red]✗[/]"}


@dataclass
class Verdict:
    """A table of figures; each that has a bound is marked as kept or broken."""

    rows: list[tuple[str, str, bool | None]] = field(default_factory=list)

    def say(self, name: str, figure: str) -> None:
        """A figure without a bound."""
        self.rows.append((name, figure, None))

    def must(self, name: str, figure: str, *, holds: bool) -> None:
        """A figure with one; the name says which."""
        self.rows.append((name, figure, holds))

    def none_of(self, counts: dict[str, int]) -> None:
        """Counts that all must be 0."""
        for name, count in counts.items():
            self.must(name, f"{count:,}", holds=not count)

    def times(self, name: str, seconds: Sequence[float], most: float | None = None) -> None:
        """Median and maximum of times, which must be there and no longer than `most`."""
        figure = f"median {median(seconds):.2f} s, max {max(seconds):.2f} s" if seconds else "never"
        bound = "" if most is None else f" (at most {most:g} s)"
        holds = None if most is None else bool(seconds) and max(seconds) <= most
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

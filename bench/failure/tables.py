"""The table that the command prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from bench.failure.faults import FAULTS
from bench.failure.measure import Outcome
from bench.failure.summary import HEADINGS, cells

LEGEND = (
    "failed: requests; of these: bad status (not 200), broken (refused, reset, closed early), timed out. "
    "slow: responses after more than 1 s. recovery: from the fault to the last of all these; never: they did "
    "not end. closed: client connections closed without `Connection: close`. responses/s: with status 200. "
    "Medians of the rounds; ±: half the distance between the lowest and the highest round."
)


def show(fault: str, outcomes: Mapping[str, Sequence[Outcome]], console: Console) -> None:
    """Print the outcomes of one fault, one row per proxy."""
    table = Table(
        title=FAULTS[fault].about,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        caption=LEGEND,
        caption_justify="left",
    )
    table.add_column("proxy", no_wrap=True)
    for heading in HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for name, rounds in outcomes.items():
        table.add_row(
            f"{name} {rounds[0].version}",
            *map(str, cells(rounds)),
            style="bold" if name == "pylb" else None,
        )
    console.print(table)

"""The figures as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from bench.failure.faults import FAULTS
from bench.failure.measure import Outcome
from bench.failure.summary import HEADINGS, cells

LEGEND = (
    "failed: requests; of these: answered with a status other than 200, broken (refused, reset, cut), late "
    "(given up by the client). slow: answers after more than 1 s. over after: from the fault to the last of "
    "all these; never: they had not ended. closed: client connections, unannounced. answers/s: with status "
    "200. Medians of the rounds; ±: half the distance between the least and the most."
)


def show(fault: str, outcomes: Mapping[str, Sequence[Outcome]], console: Console) -> None:
    """Print what one fault did, a row per proxy."""
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

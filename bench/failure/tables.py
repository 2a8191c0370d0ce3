"""The figures as tables."""

from __future__ import annotations

from collections.abc import Mapping

from rich import box
from rich.console import Console
from rich.table import Table

from bench.failure.faults import FAULTS
from bench.failure.measure import Outcome

LEGEND = (
    "failed: requests; of these: answered with a status other than 200, broken (refused, reset, cut), late "
    "(given up by the client). slow: answers after more than 1 s. over: s from the fault to the last of all "
    "these; never: they had not ended. closed: client connections, unannounced. answers/s: with status 200."
)


def show(fault: str, outcomes: Mapping[str, Outcome], console: Console) -> None:
    """Print what one fault did, a row per proxy."""
    table = Table(
        title=FAULTS[fault].about,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        caption=LEGEND,
        caption_justify="left",
    )
    table.add_column("proxy", no_wrap=True)
    for heading in ("failed", "status", "broken", "late", "slow", "over", "closed", "answers/s"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, outcome in outcomes.items():
        counts = (outcome.failed, outcome.refusals, outcome.broken, outcome.late, outcome.slow)
        table.add_row(
            f"{name} {outcome.version}",
            *(f"{count:,}" for count in counts),
            "never" if outcome.recovered is None else f"{outcome.recovered:.2f}",
            f"{outcome.closed:,}",
            f"{outcome.rate:,.0f}",
            style="bold" if name == "pylb" else None,
        )
    console.print(table)

"""The result of one run: as tables for a reader, and as JSON for a program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.lib import raw
from bench.lib.figure import number
from bench.lib.machine import Machine
from bench.lib.sample import Sample, Summary, ratios, rounds_of, summarize
from bench.lib.workload import Workload

REFERENCE = "nginx"
"""The peer that all ratios refer to."""

LEGEND = (
    "Medians of the rounds. CPU, user, sys: µs per request. ±: half the distance between the least and the "
    f"most expensive round. × {REFERENCE}: CPU relative to {REFERENCE} in the same round. p50, p99: ms. "
    "RSS: MiB."
)


@dataclass(frozen=True)
class Run:
    """The conditions and the samples of one run."""

    machine: Machine
    workloads: list[Workload]
    settings: dict[str, object]
    versions: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    """Why each requested proxy that could not be measured is missing."""
    samples: list[Sample] = field(default_factory=list)

    def show(self, console: Console) -> None:
        """Print the conditions, then one table per workload."""
        conditions = Table.grid(padding=(0, 2))
        conditions.add_row("Machine", str(self.machine))
        conditions.add_row("Settings", ", ".join(f"{name} {value}" for name, value in self.settings.items()))
        conditions.add_row("Versions", ", ".join(f"{name} {value}" for name, value in self.versions.items()))
        for peer, reason in self.missing.items():
            conditions.add_row("Missing", Text(f"{peer}: {reason}", style="red"))
        console.print(conditions)
        summaries = summarize(self.samples, REFERENCE)
        for workload in self.workloads:
            console.print(_table(workload, summaries.get(workload.name, {})))
        console.print(LEGEND, style="dim", highlight=False)

    def show_change(self, console: Console, peer: str, before: str) -> None:
        """Print, for each workload, the CPU time of `peer` relative to `before` in the same round."""
        table = Table(title=f"CPU {peer} / {before}", title_justify="left", box=box.SIMPLE_HEAD)
        table.add_column("workload", no_wrap=True)
        for heading in ("median", "lowest", "highest", "rounds"):
            table.add_column(heading, justify="right", no_wrap=True)
        for workload in self.workloads:
            each = ratios(rounds_of(self.samples, workload.name), peer, before)
            if each:
                figures = (f"{value:.3f}" for value in (median(each), min(each), max(each)))
                table.add_row(workload.name, *figures, str(len(each)))
        console.print(table)

    def save(self, path: Path) -> None:
        """Write conditions, rounds and medians as JSON."""
        raw.write(path, asdict(self) | {"medians": summarize(self.samples, REFERENCE)})


def _table(workload: Workload, by_peer: Mapping[str, Summary]) -> Table:
    table = Table(
        title=f"{workload.name}: {workload.about}, {workload.connections} connections",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("proxy", no_wrap=True)
    headings = ("CPU", "user", "sys", "±", f"× {REFERENCE}", "requests/s", "p50", "p99", "RSS", "errors")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for peer, summary in sorted(by_peer.items(), key=lambda item: item[1].cpu):
        table.add_row(
            peer,
            *map(number, (summary.cpu, summary.user, summary.system)),
            f"{summary.spread:.0%}",
            f"{summary.ratio:.2f}" if summary.ratio else "",
            *map(number, (summary.rate, summary.p50, summary.p99, summary.rss)),
            f"[bold red]{summary.errors:,} ✗[/]" if summary.errors else "0",
            style="bold" if peer == "pylb" else None,
        )
    return table

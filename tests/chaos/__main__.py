"""Run every scenario and write what was counted into docs/reliability.md: `make chaos`.

`python -m tests.chaos NAME ...` runs some of them and writes nothing but their lines.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.chaos.scenarios import SCENARIOS, Row

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- make chaos: begin -->\n", "<!-- make chaos: end -->\n"
HEADER = (
    "| What happens | What is promised | Sent | Failed | Retried | Longest gap |\n|---|---|--:|--:|--:|--:|\n"
)


def line(row: Row) -> str:
    """A row of the table."""
    gap = f"{row.gap * 1000:.0f} ms" if row.gap else "-"
    cells = (
        row.event,
        row.promise,
        f"{row.sent:,}",
        row.failed,
        str(row.retried),
        gap,
    )
    return f"| {' | '.join(cells)} |\n"


def main() -> None:
    """Run them one after the other; a promise that is not kept ends in its assertion."""
    lines = []
    for name in sys.argv[1:] or SCENARIOS:
        scenario = SCENARIOS[name]
        with tempfile.TemporaryDirectory(prefix=f"pylb-{name}-") as directory:
            lines.append(line(asyncio.run(scenario(Path(directory)))))
        sys.stdout.write(lines[-1])
        sys.stdout.flush()
    if sys.argv[1:]:
        return
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(before + BEGIN + HEADER + "".join(lines) + END + after)


if __name__ == "__main__":
    main()

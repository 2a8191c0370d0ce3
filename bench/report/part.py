"""The part of one measurement on the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from bench.lib.figure import Comparison
from bench.report.theme import Theme

Draw = Callable[[Theme], bytes]
"""Draws a picture as SVG."""


@dataclass
class Part:
    """The text that replaces the placeholder of a measurement, its comparisons and its pictures."""

    text: str = ""
    comparisons: list[Comparison] = field(default_factory=list)
    """The figures in which regressions are searched."""
    pictures: dict[str, Draw] = field(default_factory=dict)
    """Pictures by file name, without theme and extension."""

    def add(self, *blocks: str) -> None:
        """Append blocks of Markdown."""
        for block in blocks:
            self.text += f"\n\n{block}" if self.text else block

    def draw(self, name: str, alt: str, picture: Draw) -> None:
        """Append a picture that follows the theme of the reader."""
        self.pictures[name] = picture
        self.add(
            "<picture>\n"
            f'  <source media="(prefers-color-scheme: dark)" srcset="performance/{name}-dark.svg">\n'
            f'  <img alt="{alt}" src="performance/{name}-light.svg">\n'
            "</picture>"
        )


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table with words in the first column and figures in the others."""
    lines = [headings, ["---", *["--:"] * (len(headings) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def words(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of words."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def folded(summary: str, *blocks: str) -> str:
    """Blocks that are collapsed by default."""
    return "\n\n".join((f"<details>\n<summary>{summary}</summary>", *blocks, "</details>"))

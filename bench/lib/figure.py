"""A figure of several rounds: the median, the lowest and the highest value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import floor
from statistics import median
from typing import Self


def number(value: float) -> str:
    """Format a value with at least three significant digits."""
    return f"{value:,.{_decimals(value)}f}"


def _decimals(value: float) -> int:
    return 0 if abs(value) >= 1000 else 1 if abs(value) >= 10 else 2


@dataclass(frozen=True)
class Figure:
    """The median of several rounds, with the lowest and the highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, rounds: Iterable[float]) -> Self:
        """Summarize at least one round."""
        values = list(rounds)
        return cls(median(values), min(values), max(values))

    @property
    def spread(self) -> float:
        """Half the distance between the lowest and the highest round."""
        return (self.high - self.low) / 2

    def __str__(self) -> str:
        if self.low == self.high:  # One round, or equal rounds.
            return self._shown(self.median)
        return f"{self._shown(self.median)} ± {self._shown(self.spread)}"

    def _shown(self, value: float) -> str:
        return f"{value:,.{_decimals(self.median)}f}"


class Count(Figure):
    """A figure of whole things, printed without decimals."""

    def _shown(self, value: float) -> str:
        return f"{floor(value + 0.5):,}"  # Round halves up: "± 0" would hide that rounds differ.


@dataclass(frozen=True)
class Comparison:
    """One figure of several proxies."""

    what: str
    """What was measured, with its unit."""
    figures: Mapping[str, Figure]
    """The figure of each proxy."""
    more_is_better: bool = False

    def better_than(self, name: str) -> dict[str, Figure]:
        """The proxies that are better than `name` by more than the spread of both, the best one first."""
        if name not in self.figures:
            return {}
        own, sign = self.figures[name], -1 if self.more_is_better else 1
        better = {
            rival: figure
            for rival, figure in self.figures.items()
            if sign * (own.median - figure.median) > own.spread + figure.spread
        }
        return dict(sorted(better.items(), key=lambda item: sign * item[1].median))

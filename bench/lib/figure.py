"""A figure that was measured several times: what it mostly was, and how far the rounds were apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import floor
from statistics import median
from typing import Self


def number(value: float) -> str:
    """A figure with three or more digits that mean something."""
    return f"{value:,.{_decimals(value)}f}"


def _decimals(value: float) -> int:
    return 0 if abs(value) >= 1000 else 1 if abs(value) >= 10 else 2


@dataclass(frozen=True)
class Figure:
    """The median of some rounds, with the least and the most of them."""

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
        """Half the distance between the least and the most."""
        return (self.high - self.low) / 2

    def __str__(self) -> str:
        if self.low == self.high:  # There was but one round, or all were alike.
            return self._shown(self.median)
        return f"{self._shown(self.median)} ± {self._shown(self.spread)}"

    def _shown(self, value: float) -> str:
        return f"{value:,.{_decimals(self.median)}f}"


class Count(Figure):
    """Of things that are counted: there is no half of one."""

    def _shown(self, value: float) -> str:
        return f"{floor(value + 0.5):,}"  # A half goes up: with "± 0" nobody would see that rounds differ.


@dataclass(frozen=True)
class Comparison:
    """One figure of several proxies."""

    what: str
    """What was measured, with its unit."""
    figures: Mapping[str, Figure]
    """By proxy."""
    more_is_better: bool = False

    def better_than(self, name: str) -> dict[str, Figure]:
        """Those that are better than that proxy by more than the spread of both, the best one first."""
        if name not in self.figures:
            return {}
        own, sign = self.figures[name], -1 if self.more_is_better else 1
        better = {
            rival: figure
            for rival, figure in self.figures.items()
            if sign * (own.median - figure.median) > own.spread + figure.spread
        }
        return dict(sorted(better.items(), key=lambda item: sign * item[1].median))

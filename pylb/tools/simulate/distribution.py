"""Distributions of service times, parsed from the text of an option."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, log
from random import Random

from pylb.config.kinds import DURATION, Kind

Draw = Callable[[Random], float]
"""Draws one service time in seconds."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution of service times."""

    text: str
    """The text of the option."""
    draw: Draw | None
    """None: the times are taken from a log."""

    def __str__(self) -> str:
        return self.text


def _constant(mean: float) -> Draw:
    return lambda _: mean


def _exponential(mean: float) -> Draw:
    return lambda rng: rng.expovariate(1 / mean)


def _lognormal(mean: float, sigma: float) -> Draw:
    middle = log(mean) - sigma**2 / 2
    return lambda rng: exp(rng.normalvariate(middle, sigma))


def _pareto(mean: float, shape: float) -> Draw:
    least = mean * (shape - 1) / shape
    return lambda rng: least * rng.paretovariate(shape)


_ONE: dict[str, Callable[[float], Draw]] = {"constant": _constant, "exponential": _exponential}
_TWO: dict[str, tuple[Callable[[float, float], Draw], float]] = {
    "lognormal": (_lognormal, 0.0),
    "pareto": (_pareto, 1.0),
}
"""The function, and the exclusive lower bound of the second parameter. A Pareto distribution with a shape of
1 or less has no mean."""


def _parse(value: str) -> Distribution:
    if value == "log":
        return Distribution(value, None)
    name, mean, *more = value.split(":")
    if name in _ONE and not more:
        return Distribution(value, _ONE[name](DURATION.parse(mean)))
    make, above = _TWO.get(name, (None, 0.0))
    if make is None or len(more) != 1 or not above < (number := float(more[0])) <= 100:
        raise ValueError
    return Distribution(value, make(DURATION.parse(mean), number))


DISTRIBUTION = Kind(
    "DISTRIBUTION",
    "constant:MEAN, exponential:MEAN, lognormal:MEAN:SIGMA, pareto:MEAN:SHAPE (SHAPE above 1) or log, "
    "such as lognormal:20ms:1",
    _parse,
)


def recorded(times: Sequence[float]) -> Draw:
    """Return a function that draws one of the times, all with the same probability."""
    return lambda rng: rng.choice(times)

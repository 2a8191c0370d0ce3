"""How a step is timed: each call alone if it is long, a thousand if reading the clock would take longer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def calls(benchmark: Any, step: Callable[[], object]) -> None:
    """Time a step of the hot path, microseconds at most; the figures are per call."""
    benchmark.pedantic(step, rounds=200, iterations=1_000, warmup_rounds=2)


def changes(benchmark: Any, step: Callable[[], object]) -> None:
    """Time a step that is taken when something changes."""
    benchmark.pedantic(step, rounds=20, warmup_rounds=1)

"""How a step is timed: each call alone if it is long, else a thousand calls per clock reading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def calls(benchmark: Any, step: Callable[[], object]) -> None:
    """Time a step of the hot path that takes microseconds at most; the figures are per call."""
    benchmark.pedantic(step, rounds=200, iterations=1_000, warmup_rounds=2)


def changes(benchmark: Any, step: Callable[[], object]) -> None:
    """Time a step that runs once per change."""
    benchmark.pedantic(step, rounds=20, warmup_rounds=1)


def batches(benchmark: Any, step: Callable[[Any], object], setup: Callable[[], object]) -> None:
    """Time a step that handles a batch, which `setup` makes anew for each round."""
    benchmark.pedantic(step, setup=lambda: ((setup(),), {}), rounds=200, warmup_rounds=2)

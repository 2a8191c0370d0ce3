"""Runs long work in steps between the requests of a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from time import monotonic

BUDGET = 0.002
"""Seconds of work in one iteration of the event loop, after which the step in progress is the last."""


def run_in_steps(steps: Generator[None, None, None] | None) -> None:
    """Run steps in this iteration of the event loop, and the rest in the following ones.

    Args:
        steps: yields after each step; None for no work.
    """
    if steps is None:
        return
    end = monotonic() + BUDGET
    for _ in steps:
        if monotonic() > end:
            asyncio.get_running_loop().call_soon(run_in_steps, steps)
            return

"""A Locust file with bursts: `-f bench/load/locustfile.py,bench/load/burst.py`."""

from __future__ import annotations

from bench.load.shape import Shape

PERIOD = 20
"""Seconds from the start of one burst to the next."""
BURST = 5
"""Length of a burst in seconds."""


class Burst(Shape):
    """A tenth of the users, and all of them for 5 of every 20 seconds."""

    def users(self, now: float, end: float, most: int) -> int:  # noqa: ARG002
        return most // 10 if now % PERIOD < PERIOD - BURST else most

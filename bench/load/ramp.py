"""A scenario file for Locust: `-f bench/load/locustfile.py,bench/load/ramp.py`."""

from __future__ import annotations

from bench.load.shape import Shape


class Ramp(Shape):
    """More and more users, evenly, until all are there at the end."""

    def users(self, now: float, end: float, most: int) -> int:
        return round(now / end * most)

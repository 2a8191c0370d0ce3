"""A Locust file with a ramp: `-f bench/load/locustfile.py,bench/load/ramp.py`."""

from __future__ import annotations

from bench.load.shape import Shape


class Ramp(Shape):
    """Linear growth to all users at the end."""

    def users(self, now: float, end: float, most: int) -> int:
        return round(now / end * most)

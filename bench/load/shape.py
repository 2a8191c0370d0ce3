"""What numbers of users over time have in common: how many at most, and for how long, is said as usual."""

from __future__ import annotations

from abc import abstractmethod
from time import perf_counter

from locust import LoadTestShape

USERS = 50
SECONDS = 60


class Shape(LoadTestShape):
    """Users over time, within Locust's own `--users` (50) and `--run-time` (60 s)."""

    abstract = True
    use_common_options = True

    @abstractmethod
    def users(self, now: float, end: float, most: int) -> int:
        """How many there shall be.

        Args:
            now: seconds since the beginning.
            end: seconds that it goes on.
            most: what `--users` says.
        """

    def tick(self) -> tuple[int, float] | None:
        """Tell Locust how many users there shall be, at once; nothing when it is over."""
        options = self.runner.environment.parsed_options if self.runner else None
        end, most = (options.run_time, options.num_users) if options else (None, None)
        end, most, now = end or SECONDS, most or USERS, perf_counter() - self.start_time
        return (max(1, self.users(now, end, most)), most) if now < end else None

"""The base of shapes: the number of users over time, within Locust's `--users` and `--run-time`."""

from __future__ import annotations

from abc import abstractmethod
from time import perf_counter

from locust import LoadTestShape

USERS = 50
SECONDS = 60


class Shape(LoadTestShape):
    """The number of users over time, within `--users` (50) and `--run-time` (60 s)."""

    abstract = True
    use_common_options = True

    @abstractmethod
    def users(self, now: float, end: float, most: int) -> int:
        """Return the number of users.

        Args:
            now: seconds since the start.
            end: duration in seconds.
            most: the value of `--users`.
        """

    def tick(self) -> tuple[int, float] | None:
        """Called by Locust: the number of users and the spawn rate, or None at the end."""
        options = self.runner.environment.parsed_options if self.runner else None
        end, most = (options.run_time, options.num_users) if options else (None, None)
        end, most, now = end or SECONDS, most or USERS, perf_counter() - self.start_time
        return (max(1, self.users(now, end, most)), most) if now < end else None

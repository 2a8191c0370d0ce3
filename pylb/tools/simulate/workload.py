"""The simulated work: arrival times and service times of requests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from pylb.tools.simulate.distribution import Distribution, recorded
from pylb.tools.simulate.recording import Recording

Arrival = tuple[float, float]
"""Arrival time and service time of a request, in seconds."""


@dataclass(frozen=True, slots=True)
class Workload:
    """An arrival process and a distribution of service times. The same seed gives the same requests.

    Args:
        rate: requests per second, as a Poisson process; 0 for the recorded arrival times.
        service_time: the distribution of service times.
        requests: maximum number of requests.
        seed: the seed of the random numbers.
        recording: the recorded times.
    """

    rate: int
    service_time: Distribution
    requests: int
    seed: int
    recording: Recording

    @property
    def length(self) -> int:
        """The number of requests."""
        return self.requests if self.rate else min(self.requests, len(self.recording.arrivals))

    def __iter__(self) -> Iterator[Arrival]:
        # Two separate sources: service times are the same at every rate.
        intervals, works = Random(f"{self.seed} arrivals"), Random(f"{self.seed} services")
        draw = self.service_time.draw or recorded(self.recording.services)
        as_recorded = self.service_time.draw is None and not self.rate
        now = 0.0
        for number in range(self.length):
            now = now + intervals.expovariate(self.rate) if self.rate else self.recording.arrivals[number]
            yield now, self.recording.services[number] if as_recorded else draw(works)

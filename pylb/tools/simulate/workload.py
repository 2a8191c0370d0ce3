"""The work to simulate: when requests arrive, and how much of an instance's time each takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from pylb.tools.simulate.distribution import Distribution, recorded
from pylb.tools.simulate.recording import Recording

Arrival = tuple[float, float]
"""When a request arrives, and how long an instance works on it; both in seconds."""


@dataclass(frozen=True, slots=True)
class Workload:
    """An arrival process and a distribution of service times, which repeat with their seed.

    Args:
        rate: requests per second, at random moments (a Poisson process); 0: as recorded.
        service_time: what service times are drawn from.
        requests: how many at most.
        seed: of both.
        recording: where what is recorded comes from.
    """

    rate: int
    service_time: Distribution
    requests: int
    seed: int
    recording: Recording

    @property
    def length(self) -> int:
        """How many requests there are."""
        return self.requests if self.rate else min(self.requests, len(self.recording.arrivals))

    def __iter__(self) -> Iterator[Arrival]:
        # Each has a source of its own: at another rate the requests stay the same.
        moments, works = Random(f"{self.seed} arrivals"), Random(f"{self.seed} services")
        draw = self.service_time.draw or recorded(self.recording.services)
        as_recorded = self.service_time.draw is None and not self.rate
        now = 0.0
        for number in range(self.length):
            now = now + moments.expovariate(self.rate) if self.rate else self.recording.arrivals[number]
            yield now, self.recording.services[number] if as_recorded else draw(works)

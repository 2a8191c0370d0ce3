"""The options of `pylb simulate`: workload, layout, faults, and all options of pools."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from pylb.config.backends import PoolOptions
from pylb.config.kinds import DURATION, DURATION_OR_ZERO, FILE, PATH, Kind, integer, integer_or_off, some_of
from pylb.config.option import option
from pylb.errors import UsageError
from pylb.policy.balance import BALANCERS
from pylb.tools.simulate.distribution import DISTRIBUTION, Distribution

MAX_BACKENDS = 4_000_000
"""Maximum number of backends in all workers together; each takes about a kilobyte."""


def _numbers(*kinds: Callable[[str], float]) -> Callable[[str], tuple[float, ...]]:
    """Return a parser of numbers separated by colons."""

    def parse(value: str) -> tuple[float, ...]:
        parts = value.split(":")
        if len(parts) != len(kinds):
            raise ValueError
        return tuple(kind(part) for kind, part in zip(kinds, parts, strict=True))

    return parse


def _factor(value: str) -> float:
    if not 0 < (factor := float(value)) <= 1000:
        raise ValueError
    return factor


_COUNT = integer(1, 10_000)
SLOW = Kind(
    "N:FACTOR",
    "a number of instances and a factor, such as 3:5",
    _numbers(_COUNT.parse, _factor),
)
DEAD = Kind(
    "N:FROM:FOR",
    "a number of instances, a start and a duration, such as 3:10s:30s",
    _numbers(_COUNT.parse, DURATION_OR_ZERO.parse, DURATION.parse),
)
RATE = Kind(
    "N|log",
    "a whole number from 1 to 10000000, or log",
    lambda value: 0 if value == "log" else integer(1, 10_000_000).parse(value),
)


@dataclass(frozen=True, kw_only=True)
class SimulateOptions(PoolOptions):
    """The options of `pylb simulate`."""

    title: ClassVar = "Simulation"
    prefix: ClassVar = "PYLB_SIMULATE_"

    instances: int = option(_COUNT, "10", "The number of instances.")
    concurrency: int = option(
        integer(1, 100_000),
        "1",
        "The number of requests that an instance works on at a time. Further requests wait at the instance.",
    )
    service_time: Distribution = option(
        DISTRIBUTION,
        "exponential:10ms",
        "The distribution of the time that an instance works on a request. log uses the times of --log.",
    )
    rate: int = option(
        RATE,
        "700",
        "The number of requests per second, as a Poisson process. log uses the arrival times of --log.",
    )
    requests: int = option(integer(1, 100_000_000), "100000", "The number of requests to simulate.")
    log: str | None = option(
        FILE, None, "A recorded access log in JSON form (--access-log json). By default, no log is used."
    )
    balancers: int = option(
        integer(1, 10_000), "1", "The number of machines with a pylb, which share the requests."
    )
    workers: int = option(integer(1, 1024), "1", "The number of worker processes per machine.")
    subset: int = option(
        integer_or_off(10_000),
        "off",
        "The number of instances, drawn at random, that each balancer uses. off uses all.",
    )
    clients: int = option(
        integer(1, 100_000_000), "10000", "The number of clients, for the policy hash. Each sends as many."
    )
    overhead: float = option(DURATION_OR_ZERO, "0", "The time that network and balancer add to each request.")
    upstream_keepalive: float = option(
        DURATION_OR_ZERO, "4s", "The time for which an idle connection to an instance is kept."
    )
    slow: tuple[float, ...] = option(
        SLOW, "1:1", "The number of slower instances, and the factor of their service time."
    )
    dead: tuple[float, ...] | None = option(
        DEAD,
        None,
        "The number of instances that fail while they stay registered, the time of the failure, and its "
        "duration. By default, no instance fails.",
    )
    compare: frozenset[str] = option(
        some_of(*BALANCERS),
        "none",
        "Simulate the same requests with each of these policies. none simulates only --policy.",
    )
    seed: int = option(
        integer(0, 10**18), "1", "The seed of the random numbers. The same seed gives the same figures."
    )
    plot: str | None = option(
        PATH,
        None,
        "Draw the distribution of latencies to this file (.svg, .png, .pdf). By default, none is drawn.",
    )
    json: str | None = option(PATH, None, "Write the figures to this file. By default, none is written.")

    def check(self) -> None:
        """Reject contradictory options.

        Raises:
            UsageError: an option names more instances than exist, a log is missing, or the simulation is too
                large.
        """
        super().check()
        named = {"slow": self.slow[0], "dead": self.dead[0] if self.dead else 0, "subset": self.subset}
        for name, number in named.items():
            if number > self.instances:
                raise UsageError(
                    f"--{name}: got {number:g} instances, expected at most {self.instances} (--instances)"
                )
        wants_log = "--rate" if not self.rate else "--service-time" if self.service_time.draw is None else ""
        if wants_log and not self.log:
            raise UsageError(f"{wants_log} log: expected --log FILE with it")
        known = (self.subset or self.instances) * self.balancers * self.workers
        if known > MAX_BACKENDS:
            raise UsageError(
                f"--instances, --balancers and --workers: got {known:,} backends in all workers together, "
                f"expected at most {MAX_BACKENDS:,}; use --subset to reduce it"
            )

    @property
    def policies(self) -> tuple[str, ...]:
        """The policies to simulate."""
        return tuple(name for name in BALANCERS if name in self.compare) or (self.policy,)

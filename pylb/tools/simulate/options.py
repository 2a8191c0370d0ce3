"""What `pylb simulate` takes: the work, the layout, what goes wrong, and all that pools go by."""

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

MOST_BACKENDS = 4_000_000
"""Instances times the workers that know them; each takes about a kilobyte."""


def _numbers(*kinds: Callable[[str], float]) -> Callable[[str], tuple[float, ...]]:
    """Reads numbers with colons between them."""

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
    "how many instances, and how many times slower, such as 3:5",
    _numbers(_COUNT.parse, _factor),
)
DEAD = Kind(
    "N:FROM:FOR",
    "how many instances, from when, and for how long, such as 3:10s:30s",
    _numbers(_COUNT.parse, DURATION_OR_ZERO.parse, DURATION.parse),
)
RATE = Kind(
    "N|log",
    "a whole number from 1 to 10000000, or log",
    lambda value: 0 if value == "log" else integer(1, 10_000_000).parse(value),
)


@dataclass(frozen=True, kw_only=True)
class SimulateOptions(PoolOptions):
    """What `pylb simulate` takes."""

    title: ClassVar = "Simulation"
    prefix: ClassVar = "PYLB_SIMULATE_"

    instances: int = option(_COUNT, "10", "How many instances there are.")
    concurrency: int = option(
        integer(1, 100_000), "1", "How many requests an instance works on at a time; the others wait there."
    )
    service_time: Distribution = option(
        DISTRIBUTION, "exponential:10ms", "How long an instance works on a request; log: as in --log."
    )
    rate: int = option(
        RATE,
        "700",
        "Requests per second that arrive, independent of each other; log: when those of --log did.",
    )
    requests: int = option(integer(1, 100_000_000), "100000", "How many requests to simulate.")
    log: str | None = option(FILE, None, "A recorded access log in JSON form (--access-log json).")
    balancers: int = option(integer(1, 10_000), "1", "How many machines with a pylb share the requests.")
    workers: int = option(integer(1, 1024), "1", "How many worker processes each of them has.")
    subset: int = option(
        integer_or_off(10_000), "off", "How many instances, drawn at random, one balancer knows of."
    )
    overhead: float = option(DURATION_OR_ZERO, "0", "What network and balancer add to each request.")
    upstream_keepalive: float = option(
        DURATION_OR_ZERO, "4s", "How long to keep an idle connection to an instance."
    )
    slow: tuple[float, ...] = option(SLOW, "1:1", "Some instances are slower: how many, how many times.")
    dead: tuple[float, ...] | None = option(
        DEAD, None, "Some instances die and return: how many, when, for how long. They stay registered."
    )
    compare: frozenset[str] = option(
        some_of(*BALANCERS), "none", "Simulate the same with each of these policies, instead of --policy."
    )
    seed: int = option(integer(0, 10**18), "1", "Where randomness starts: the same seed, the same figures.")
    plot: str | None = option(
        PATH, None, "Draw the distribution of latencies to this file (.svg, .png, .pdf)."
    )
    json: str | None = option(PATH, None, "Write the figures to this file.")

    def check(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            UsageError: an option speaks of more instances than there are, a log is missing, it is too much.
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
        if known > MOST_BACKENDS:
            raise UsageError(
                f"--instances, --balancers and --workers: got {known:,} backends in all workers together, "
                f"expected at most {MOST_BACKENDS:,}; --subset makes it fewer"
            )

    @property
    def policies(self) -> tuple[str, ...]:
        """Those that are simulated."""
        return tuple(name for name in BALANCERS if name in self.compare) or (self.policy,)

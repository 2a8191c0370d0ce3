"""All measurements of the page, in the order in which they are made, with their expected duration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Measurement:
    """A command that writes raw figures to the file of its option `--json`."""

    name: str
    """Name of its record, and of its placeholder in the template."""
    command: str
    """The words after `python -m` that do not depend on `--quick`."""
    options: str
    """Further options, without `--quick`."""
    seconds: int
    """Approximate duration on two cores, in seconds."""
    quick: str
    """Options that replace `options` with `--quick`: short, with rough figures."""
    quick_seconds: int

    def arguments(self, *, quick: bool) -> list[str]:
        """The words after `python -m`."""
        return [*self.command.split(), *(self.quick if quick else self.options).split()]

    def estimate(self, *, quick: bool) -> int:
        """Expected duration in seconds."""
        return self.quick_seconds if quick else self.seconds


FOLLOWERS = "pylb,nginx,haproxy,traefik,traefik-watch,caddy"
FAILING = (
    "pylb,nginx,nginx-tuned,haproxy,haproxy-tuned,traefik,traefik-tuned,caddy,caddy-tuned,envoy,envoy-tuned"
)
MEASUREMENTS: Sequence[Measurement] = (
    Measurement(
        "requests",
        "bench.hotpath --workloads small,varied,tls,16m",
        "--rounds 7 --seconds 2",
        seconds=520,
        quick="--rounds 1 --seconds 1",
        quick_seconds=90,
    ),
    Measurement(
        "payloads",
        "bench.hotpath --workloads close,head,post,16k,1m,upload",
        "--rounds 3 --seconds 1",
        seconds=210,
        quick="--rounds 1 --seconds 1",
        quick_seconds=130,
    ),
    Measurement(
        "curves",
        "bench.hotpath.curves",
        "--rounds 3 --seconds 1",
        seconds=460,
        quick="--rounds 1 --seconds 1",
        quick_seconds=240,
    ),
    Measurement(
        "memory",
        "bench.hotpath.memory",
        "--rounds 3 --size 512",
        seconds=120,
        quick="--rounds 1 --size 64 --connections 200",
        quick_seconds=40,
    ),
    Measurement(
        "change",
        f"bench.change --peers {FOLLOWERS} --rate 1 --gone stop",
        "--rounds 3 --seconds 10 --before 3",
        seconds=705,
        quick="--rounds 1 --seconds 4 --before 1",
        quick_seconds=125,
    ),
    Measurement(
        "busy_change",
        f"bench.change --peers {FOLLOWERS} --rate 20 --instances 300 --gone stop",
        "--rounds 3 --seconds 6 --before 3",
        seconds=540,
        quick="--rounds 1 --seconds 2 --before 1",
        quick_seconds=105,
    ),
    Measurement(
        "failure",
        f"bench.failure --peers {FAILING}",
        "--rounds 3 --timeout 3 --outage 6",
        seconds=1980,
        quick="--rounds 1 --faults killed --timeout 1 --seconds 6",
        quick_seconds=115,
    ),
    Measurement(
        "reload",
        "bench.failure.processes reload",
        "--rounds 3 --seconds 20",
        seconds=75,
        quick="--rounds 1 --seconds 5",
        quick_seconds=15,
    ),
    Measurement(
        "kill_workers",
        "bench.failure.processes kill-workers",
        "--rounds 3 --seconds 20",
        seconds=75,
        quick="--rounds 1 --seconds 5",
        quick_seconds=10,
    ),
    Measurement(
        "kill_control",
        "bench.failure.processes kill-control",
        "--rounds 3 --seconds 20",
        seconds=75,
        quick="--rounds 1 --seconds 5",
        quick_seconds=10,
    ),
    Measurement(
        "workers",
        "bench.hotpath.workers",
        "--rounds 13",
        seconds=150,
        quick="--rounds 1",
        quick_seconds=15,
    ),
    Measurement(
        "observe",
        "bench.hotpath.observe",
        "--rounds 5 --seconds 2",
        seconds=110,
        quick="--rounds 1 --seconds 1",
        quick_seconds=30,
    ),
    Measurement(
        "simulator_validation",
        "bench.balance.simulator_validation",
        "--rounds 5 --requests 17000",
        seconds=310,
        quick="--rounds 1 --requests 200",
        quick_seconds=20,
    ),
)

"""The load generator wrk: one thread, a fixed number of connections, one request in progress on each."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.lib.packages import AptPackage
from bench.lib.workload import BROWSER_HEADERS, EXTRA_VALUE, Workload

WRK = AptPackage("wrk", "wrk")

_REPORT = Path(__file__).with_suffix(".lua")


class LoadError(Exception):
    """wrk failed; the message quotes its output."""


@dataclass(frozen=True)
class Load:
    """What wrk counted."""

    requests: int
    """Complete responses, of any status."""
    seconds: float
    bad_status: int
    """Responses with a status of 400 or above."""
    broken: int
    """Connections that could not be opened, or that failed while in use."""
    timed_out: int
    """Requests without a response within 10 s."""
    p50: float
    """Median latency in milliseconds."""
    p99: float

    @property
    def errors(self) -> int:
        """Failed requests of all kinds."""
        return self.bad_status + self.broken + self.timed_out

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


class Wrk:
    """A running wrk. The caller must call `finish`.

    Args:
        url: scheme, host and port.
        workload: the requests and the number of connections.
        seconds: the duration.
        cores: its CPU cores.
    """

    def __init__(self, url: str, workload: Workload, seconds: int, cores: Sequence[int]) -> None:
        headers = BROWSER_HEADERS | {
            f"X-Extra-{number}": EXTRA_VALUE for number in range(1, workload.extra_headers + 1)
        }
        if not workload.keep_alive:
            headers["Connection"] = "close"
        command = [
            *("taskset", "--cpu-list", ",".join(map(str, cores))),
            *(str(WRK.locate()), "--threads", "1", "--connections", str(workload.connections)),
            *("--duration", f"{seconds}s", "--timeout", "10s", "--script", str(_REPORT)),
            *(part for name, value in headers.items() for part in ("--header", f"{name}: {value}")),
            *(url + workload.path, "--", workload.method, str(workload.body)),
            "varied" if workload.varied else "same",
            str(workload.services),
        ]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def stop(self) -> None:
        """Stop wrk early. `finish` then returns what it has counted so far."""
        self._process.send_signal(signal.SIGINT)

    def finish(self) -> Load:
        """Wait until wrk ends and return what it counted. If the wait is interrupted, wrk is killed.

        Raises:
            LoadError: wrk failed.
        """
        try:
            _, report = self._process.communicate()
        finally:
            self._process.kill()
        if self._process.returncode:
            raise LoadError(f"wrk failed: {report.strip()}")
        counted = json.loads(report.strip().splitlines()[-1])
        return Load(
            requests=counted["requests"],
            seconds=counted["microseconds"] / 1e6,
            bad_status=counted["bad_status"],
            broken=counted["broken"],
            timed_out=counted["timed_out"],
            p50=counted["p50"] / 1e3,
            p99=counted["p99"] / 1e3,
        )

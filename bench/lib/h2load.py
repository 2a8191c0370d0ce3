"""The load generator h2load: one thread, HTTP/2, a fixed number of streams on each connection."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles

from bench.lib.packages import AptPackage
from bench.lib.workload import BROWSER_HEADERS, Workload
from bench.lib.wrk import Load, LoadError

H2LOAD = AptPackage("nghttp2-client", "h2load")

TARGETS = 4096
"""Targets of a varied workload; every connection takes them in turn."""

WINDOW = 20
"""Log2 of the windows, as of a browser; those of the protocol are smaller than one response of 1 MiB."""


class H2Load:
    """A running h2load. The caller must call `finish`.

    Args:
        url: scheme, host and port.
        workload: the requests, the number of connections, and that of their streams.
        seconds: the duration.
        cores: its CPU cores.
    """

    def __init__(self, url: str, workload: Workload, seconds: int, cores: Sequence[int]) -> None:
        self._seconds = seconds
        self._directory = tempfile.TemporaryDirectory(prefix="h2load-")
        self._log = Path(self._directory.name, "log")
        targets = [url + workload.path]
        if workload.varied:
            targets = [f"{url}{workload.path}?n={number}" for number in range(TARGETS)]
        urls = Path(self._directory.name, "urls")
        urls.write_text("\n".join(targets))
        command = [
            *("taskset", "--cpu-list", ",".join(map(str, cores))),
            *(str(H2LOAD.locate()), "--threads", "1", "--clients", str(workload.connections)),
            *("--max-concurrent-streams", str(workload.streams), "--duration", f"{seconds}s"),
            *("--window-bits", str(WINDOW), "--connection-window-bits", str(WINDOW + 4)),
            *("--log-file", str(self._log), "--input-file", str(urls)),
            *(part for name, value in BROWSER_HEADERS.items() for part in ("--header", f"{name}: {value}")),
        ]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )

    def finish(self) -> Load:
        """Wait until h2load ends and return what it counted. If the wait is interrupted, it is killed.

        Raises:
            LoadError: h2load failed, or the proxy did not choose HTTP/2.
        """
        try:
            report, _ = self._process.communicate()
        finally:
            self._process.kill()
        with self._directory:
            lines = self._log.read_text().splitlines() if self._log.exists() else []
        counts = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", report)
        if self._process.returncode or counts is None or "Application protocol: h2" not in report:
            raise LoadError(f"h2load failed: {report.strip()[-300:]}")
        _, failed, errored, timed_out = map(int, counts.groups())
        codes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", report)
        bad = sum(map(int, codes.groups()[2:])) if codes else failed
        took = [int(line.rsplit("\t", 1)[1]) / 1e3 for line in lines]
        percentiles = quantiles(took, n=100) if len(took) > 1 else [0.0] * 99
        return Load(
            requests=len(took),
            seconds=self._seconds,
            bad_status=bad,
            broken=errored,
            timed_out=timed_out,
            p50=percentiles[49],
            p99=percentiles[98],
        )

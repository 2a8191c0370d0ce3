"""Measurements that are made one after the other; each is kept as soon as it is there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import orjson

from bench.lib.repository import REPOSITORY
from bench.report.record import Record

TICK = 1.0
"""Seconds between two looks at the clock: a progress bar that is drawn more often would be measured, too."""
LAST_WORDS = 300
"""Characters of the output that are quoted of a measurement that failed."""


class MeasureError(Exception):
    """A measurement ended without figures; the message quotes its last words."""


def measure(arguments: list[str], path: Path, passed: Callable[[float], None]) -> None:
    """Run a measurement and keep its record. Interrupted, it is ended in order, and nothing is kept.

    A measurement whose bounds were broken has figures, too: they go onto the page as they are.

    Args:
        arguments: the words after `python -m`.
        path: where the record goes.
        passed: is told how many seconds have passed.

    Raises:
        MeasureError: there are no figures.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as home, (Path(home) / "output.log").open("w+b") as log:
        figures = Path(home) / "figures.json"
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments, "--json", str(figures)],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us; we pass it on.
        )
        try:
            while process.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(TICK)
                passed(time.monotonic() - began)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait()
        if not figures.exists():
            log.seek(0)
            last = log.read().decode(errors="replace").strip()[-LAST_WORDS:]
            raise MeasureError(f"python -m {' '.join(arguments)} brought no figures: {last}")
        taken = round(time.monotonic() - began)
        now = time.strftime("%Y-%m-%d %H:%M")
        Record(arguments, now, taken, orjson.loads(figures.read_bytes())).save(path)

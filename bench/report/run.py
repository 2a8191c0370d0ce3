"""Run one measurement as a process, and store its record when it is complete."""

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
"""Seconds between updates of the progress; frequent updates would disturb the measurement."""
LAST_WORDS = 300
"""Characters of output quoted from a failed measurement."""


class MeasureError(Exception):
    """A measurement ended without figures; the message quotes the end of its output."""


def measure(arguments: list[str], path: Path, passed: Callable[[float], None]) -> None:
    """Run a measurement and store its record. An interrupted measurement is stopped and not stored.

    A measurement that breaks its bounds has figures, too; the page shows them.

    Args:
        arguments: the words after `python -m`.
        path: the file of the record.
        passed: called with the seconds that have passed.

    Raises:
        MeasureError: the measurement wrote no figures.
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
            start_new_session=True,  # Ctrl-C must reach this process only, which forwards it.
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
            raise MeasureError(f"python -m {' '.join(arguments)} wrote no figures: {last}")
        taken = round(time.monotonic() - began)
        now = time.strftime("%Y-%m-%d %H:%M")
        Record(arguments, now, taken, orjson.loads(figures.read_bytes())).save(path)

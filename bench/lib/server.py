"""A program that a measurement runs: its cores, its start, its CPU time and memory, and its end."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

import psutil

_START_DEADLINE = 20.0
_STOP_DEADLINE = 10.0


class StartError(Exception):
    """A program ended or did not answer in time; the message quotes the last line of its output."""


@dataclass(frozen=True)
class Command:
    """A command line and additions to its environment."""

    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    descriptors: Sequence[int] = ()
    """Open files that the process inherits under the same numbers."""


@dataclass(frozen=True)
class CpuTime:
    """CPU seconds used by a program and all its children, including the children that have ended.

    The sum is exact to one clock tick (10 ms: the kernel counts nanoseconds and rounds them when read), which
    is 0.5 % of a busy round of 2 s. The kernel samples the split into user and system; it is less exact.
    """

    user: float
    system: float

    @property
    def total(self) -> float:
        """User and system time."""
        return self.user + self.system

    def __sub__(self, earlier: CpuTime) -> CpuTime:
        return CpuTime(self.user - earlier.user, self.system - earlier.system)


class Server:
    """A running program that listens on a port of 127.0.0.1."""

    tls_port = 0
    """The port that serves TLS; 0 if none does."""
    h2c_port = 0
    """The port that serves HTTP/2 without TLS; 0 if none does."""

    def __init__(self, name: str, port: int, process: psutil.Popen, log: Path) -> None:
        self.name = name
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._process = process
        self._log = log

    @property
    def tls_url(self) -> str:
        """The base URL for TLS clients."""
        return f"https://127.0.0.1:{self.tls_port}"

    @property
    def h2c_url(self) -> str:
        """The base URL for clients with HTTP/2 and without TLS."""
        return f"http://127.0.0.1:{self.h2c_port}"

    @property
    def processes(self) -> list[psutil.Process]:
        """The program and its descendants."""
        return [self._process, *self._process.children(recursive=True)]

    def cpu(self) -> CpuTime:
        """CPU time since the program started."""
        times = [process.cpu_times() for process in self.processes]
        return CpuTime(
            user=sum(t.user + t.children_user for t in times),
            system=sum(t.system + t.children_system for t in times),
        )

    def rss(self) -> int:
        """Resident memory in bytes, summed over all processes. A shared page counts once per process."""
        return sum(process.memory_info().rss for process in self.processes)

    def reset_peak(self) -> None:
        """Reset the peak to the current RSS."""
        for process in self.processes:
            Path(f"/proc/{process.pid}/clear_refs").write_text("5")

    def peak_rss(self) -> int:
        """The sum over all processes of the highest RSS since `reset_peak`, in bytes."""
        statuses = [Path(f"/proc/{process.pid}/status").read_text() for process in self.processes]
        return sum(int(status.partition("VmHWM:")[2].split()[0]) * 1024 for status in statuses)

    def wait_until_ready(self, path: str, containing: bytes = b"") -> None:
        """Poll a path until the response has status 200 and its body contains `containing`.

        Raises:
            StartError: the program ended, or did not answer so within 20 s.
        """
        deadline = time.monotonic() + _START_DEADLINE
        failure = ""
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(self.url + path, timeout=2) as answer:
                    if containing in answer.read():
                        return
            except (OSError, HTTPException) as error:
                failure = str(error)
            time.sleep(0.02)
        last_words = self._log.read_text(errors="replace").strip().splitlines()[-1:]
        raise StartError(
            f"{self.name} does not answer at {self.url}{path}: {'; '.join([failure, *last_words])}"
        )

    def stop(self) -> None:
        """Send SIGTERM, wait up to 10 s for the program and its children, and kill the rest."""
        family = self.processes if self._process.is_running() else []
        if self._process.poll() is None:
            self._process.terminate()
        _, alive = psutil.wait_procs(family, timeout=_STOP_DEADLINE)
        for process in alive:
            process.kill()
        self._process.wait()


@contextmanager
def serve(name: str, command: Command, port: int, directory: Path, cores: Sequence[int]) -> Iterator[Server]:
    """Run a program on the given cores while the context is open.

    The program has its own session, so Ctrl-C reaches the benchmark only, which then stops the program. Its
    working directory is `directory`, which also receives its output.
    """
    log = directory / "output.log"
    taskset = [shutil.which("taskset") or "taskset", "--cpu-list", ",".join(map(str, cores))]
    with log.open("wb") as output:
        process = psutil.Popen(
            [*taskset, *command.argv],
            cwd=directory,
            env={**os.environ, **command.env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=command.descriptors,
            start_new_session=True,
        )
    server = Server(name, port, process, log)
    try:
        yield server
    finally:
        server.stop()


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll a condition every 0.5 ms. Returns False if it does not hold within the given time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.0005)
    return True

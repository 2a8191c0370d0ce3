"""A pylb with all its processes: how to find and signal them, and how to read its log."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from bench.lib.ports import free_port
from bench.lib.repository import module_command
from bench.lib.server import Server, StartError, serve, wait_for

START_TIMEOUT = 60.0
"""Seconds within which processes must start; long, because the machine may be busy."""


class Program:
    """A running pylb.

    Args:
        server: the process that was started. After an upgrade another process serves.
        admin: the port of its admin API.
        directory: contains its pid file and its log.
    """

    def __init__(self, server: Server, admin: int, directory: Path) -> None:
        self.server = server
        self.admin = admin
        self._pid_file = directory / "pylb.pid"
        self._log = (directory / "output.log").open()
        self._lines: list[str] = []

    @property
    def supervisor(self) -> psutil.Process:
        """The current supervisor."""
        return psutil.Process(int(self._pid_file.read_text()))

    def children(self, role: str) -> list[psutil.Process]:
        """The current supervisor's processes with this role: `worker` or `control`."""
        return [child for child in self.supervisor.children() if role in child.cmdline()]

    def clients_of(self, worker: psutil.Process) -> int:
        """The number of client connections of a worker."""
        with suppress(psutil.NoSuchProcess):
            connections = worker.net_connections("tcp")
            port = self.server.port
            return sum(1 for each in connections if each.status == "ESTABLISHED" and each.laddr.port == port)
        return 0

    def await_clients(self, count: int) -> None:
        """Wait until the workers have `count` client connections together.

        Raises:
            StartError: they have fewer after 60 s.
        """
        if not wait_for(lambda: sum(map(self.clients_of, self.children("worker"))) >= count, START_TIMEOUT):
            raise StartError(f"pylb has fewer than {count} client connections")

    def log_lines(self, pattern: str) -> int:
        """The number of log lines that match."""
        self._lines += self._log.read().splitlines()
        return sum(1 for line in self._lines if re.search(pattern, line))

    def await_log_lines(self, pattern: str, count: int) -> None:
        """Wait until `count` log lines match.

        Raises:
            StartError: fewer lines match after 60 s.
        """
        if not wait_for(lambda: self.log_lines(pattern) >= count, START_TIMEOUT):
            raise StartError(
                f"fewer than {count} log lines match {pattern!r}; the last line is {self._lines[-1:]}"
            )

    def close(self) -> None:
        """Stop the current supervisor and all its processes."""
        with suppress(psutil.NoSuchProcess, FileNotFoundError):
            supervisor = self.supervisor
            family = [supervisor, *supervisor.children(recursive=True)]
            supervisor.send_signal(signal.SIGTERM)
            _, alive = psutil.wait_procs(family, timeout=START_TIMEOUT)
            for process in alive:
                process.kill()
        self._log.close()


@contextmanager
def serve_program(directory: Path, cores: Sequence[int], *arguments: str) -> Iterator[Program]:
    """Run this checkout's pylb while the context is open. It answers requests when the context is entered."""
    listen, admin = free_port(), free_port()
    argv = [*arguments, "--pid-file", str(directory / "pylb.pid")]
    argv += ["--listen", f"127.0.0.1:{listen}", "--admin", f"127.0.0.1:{admin}"]
    command = module_command("pylb", *argv)
    with serve("pylb", command, listen, directory, cores) as server:
        server.wait_until_ready("/")
        program = Program(server, admin, directory)
        try:
            yield program
        finally:
            program.close()

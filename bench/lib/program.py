"""A pylb with all its processes, whichever supervisor it has by now: found, signalled, and listened to."""

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

PATIENCE = 60.0
"""Seconds for anything that starts processes, on a machine that others may keep busy."""


class Program:
    """A running pylb.

    Args:
        server: what was started; after an upgrade it is another process that serves.
        admin: the port of its admin server.
        directory: where its pid file and its log are.
    """

    def __init__(self, server: Server, admin: int, directory: Path) -> None:
        self.server = server
        self.admin = admin
        self._pid_file = directory / "pylb.pid"
        self._log = (directory / "output.log").open()
        self._lines: list[str] = []

    @property
    def supervisor(self) -> psutil.Process:
        """The present one."""
        return psutil.Process(int(self._pid_file.read_text()))

    def children(self, role: str) -> list[psutil.Process]:
        """The present supervisor's processes that do this: `worker`, `control`."""
        return [child for child in self.supervisor.children() if role in child.cmdline()]

    def clients_of(self, worker: psutil.Process) -> int:
        """How many connections of clients a worker has."""
        with suppress(psutil.NoSuchProcess):
            connections = worker.net_connections("tcp")
            port = self.server.port
            return sum(1 for each in connections if each.status == "ESTABLISHED" and each.laddr.port == port)
        return 0

    def await_clients(self, count: int) -> None:
        """Wait until the workers have so many connections of clients.

        Raises:
            StartError: they have not come.
        """
        if not wait_for(lambda: sum(map(self.clients_of, self.children("worker"))) >= count, PATIENCE):
            raise StartError(f"pylb has not got {count} connections")

    def said(self, pattern: str) -> int:
        """How many lines of the log match."""
        self._lines += self._log.read().splitlines()
        return sum(1 for line in self._lines if re.search(pattern, line))

    def await_word(self, pattern: str, count: int) -> None:
        """Wait until so many lines match.

        Raises:
            StartError: they did not come.
        """
        if not wait_for(lambda: self.said(pattern) >= count, PATIENCE):
            raise StartError(
                f"pylb did not say {pattern!r} {count} times; its last words: {self._lines[-1:]}"
            )

    def close(self) -> None:
        """End whatever serves now."""
        with suppress(psutil.NoSuchProcess, FileNotFoundError):
            supervisor = self.supervisor
            family = [supervisor, *supervisor.children(recursive=True)]
            supervisor.send_signal(signal.SIGTERM)
            _, alive = psutil.wait_procs(family, timeout=PATIENCE)
            for process in alive:
                process.kill()
        self._log.close()


@contextmanager
def serve_program(directory: Path, cores: Sequence[int], *arguments: str) -> Iterator[Program]:
    """Run pylb, as this repository has it, for as long as the context lasts; it answers when that begins."""
    listen, admin = free_port(), free_port()
    argv = [*arguments, "--pid-file", str(directory / "pylb.pid")]
    argv += ["--listen", f"127.0.0.1:{listen}", "--admin", f"127.0.0.1:{admin}"]
    command = module_command("pylb", *argv)
    with serve("pylb", command, listen, directory, cores) as server:
        server.wait_until_it_answers("/")
        program = Program(server, admin, directory)
        try:
            yield program
        finally:
            program.close()

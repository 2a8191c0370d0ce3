"""A child process: its state, its messages and its end."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from math import inf
from time import monotonic

from pylb.ipc.supervisor_pipe import SERVING, STARTING, SupervisorPipe
from pylb.supervisor.signals import name_of


class Child:
    """One child process.

    Args:
        name: its name in log lines.
        command: the command line.
        environment: additional variables.
        descriptors: those that the process inherits.
        supervisor_pipe: the supervisor's end.
        row: its row in the shared memory; None if it has none.
        stderr: a file for its standard error. By default the supervisor's.

    Raises:
        OSError: the process cannot be started.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        descriptors: Sequence[int],
        supervisor_pipe: SupervisorPipe,
        *,
        row: int | None = None,
        stderr: int | None = None,
    ) -> None:
        self.name = name
        self.supervisor_pipe = supervisor_pipe
        self.row = row
        self.heartbeat = 0
        """The last heartbeat read, in monotonic milliseconds."""
        self.silence = 0.0
        """Seconds since it last changed."""
        self.state = STARTING
        """The last state that it sent."""
        self.words: list[str] = []
        """All words that it sent."""
        self.served = False
        """Whether it was ever ready."""
        self.code: int | None = None
        """The exit code, or minus the number of the signal that killed it; None while it runs."""
        self.expected = False
        """Whether its end is not a failure: it was signalled, or announced its end."""
        self.started = monotonic()
        self.silent = False
        """Whether it has closed its end of the pipe: it has ended, or is about to."""
        self.deadline = inf
        """When it is killed, in monotonic seconds."""
        # In a separate process group: Ctrl-C in a terminal reaches only the supervisor, which stops the
        # others in the right order.
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            command,
            env={**os.environ, **environment},
            pass_fds=descriptors,
            stdin=subprocess.DEVNULL,
            stderr=stderr,
            process_group=0,
        )
        self.pid = self._process.pid

    @property
    def alive(self) -> bool:
        """Whether its end has not been reaped."""
        return self.code is None

    @property
    def serving(self) -> bool:
        """Whether it is ready and does not drain."""
        return self.alive and self.state == SERVING

    def receive(self) -> None:
        """Read the words that it has sent."""
        words = self.supervisor_pipe.receive()
        self.silent = words is None
        for word in words or ():
            self.words.append(word)
            self.state = word
            self.served |= word == SERVING

    def expect_end(self, deadline: float = inf) -> None:
        """Treat its end as expected, and kill it at `deadline`."""
        self.expected = True
        self.deadline = min(self.deadline, deadline)

    def send(self, number: signal.Signals, deadline: float = inf) -> None:
        """Send a signal that ends it, unless it has ended."""
        self.expect_end(deadline)
        if self.alive:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        if self.alive:
            os.kill(self.pid, signal.SIGKILL)

    def abort(self, deadline: float) -> None:
        """Abort a hung process, which then logs its stack if it can; `enforce` kills it after the deadline.

        The end is not expected, so the child is replaced like one that died.
        """
        self.deadline = min(self.deadline, deadline)
        if self.alive:
            for number in (signal.SIGABRT, signal.SIGCONT):  # A stopped process must continue to end.
                os.kill(self.pid, number)

    def reopen_logs(self) -> None:
        """Signal it to reopen its log files. A process that is not ready will open them anyway."""
        if self.alive and self.served:
            os.kill(self.pid, signal.SIGUSR1)

    def ended(self, status: int) -> None:
        """Record its end, with the status that `waitpid` returned."""
        self.receive()
        self.code = self._process.returncode = os.waitstatus_to_exitcode(status)
        self.supervisor_pipe.close()

    @property
    def fate(self) -> str:
        """How it ended, as text for the log."""
        if self.code is not None and self.code < 0:
            return f"was killed by {name_of(-self.code)}"
        return f"ended with exit code {self.code}"

"""A child process, as the supervisor sees it."""

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
    """One process: what it has said, and how it ended.

    Args:
        name: what logs call it.
        command: what to execute.
        environment: variables for it alone.
        descriptors: what stays open in it.
        supervisor_pipe: our end.
        row: its own in the shared memory; None for one that writes nothing there.
        stderr: a file for its standard error, in place of ours.

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
        """The last that was seen."""
        self.silence = 0.0
        """Seconds for which that has not changed."""
        self.state = STARTING
        """The last of its states that it told."""
        self.words: list[str] = []
        """All that it sent."""
        self.served = False
        """Whether it ever was ready."""
        self.code: int | None = None
        """How it ended: the exit code, or minus the number of the signal that killed it."""
        self.expected = False
        """Whether it was asked to end, or will be replaced as it has said that it ends."""
        self.started = monotonic()
        self.silent = False
        """Whether it has closed its end of the lifeline: it has ended, or is about to."""
        self.deadline = inf
        """When it is killed if it has not ended."""
        # A process group of its own: Ctrl-C in a terminal reaches the supervisor only, which sees to the rest
        # in the right order.
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
        """Whether it runs, as far as is known."""
        return self.code is None

    @property
    def serving(self) -> bool:
        """Whether it is ready, and has not begun to end."""
        return self.alive and self.state == SERVING

    def hear(self) -> None:
        """Take note of what it has said."""
        words = self.supervisor_pipe.hear()
        self.silent = words is None
        for word in words or ():
            self.words.append(word)
            self.state = word
            self.served |= word == SERVING

    def expect_end(self, deadline: float = inf) -> None:
        """Be prepared for its end; it is killed if it still runs at `deadline`."""
        self.expected = True
        self.deadline = min(self.deadline, deadline)

    def send(self, number: signal.Signals, deadline: float = inf) -> None:
        """Ask it to end, if it has not."""
        self.expect_end(deadline)
        if self.alive:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once, if it has not ended."""
        if self.alive:
            os.kill(self.pid, signal.SIGKILL)

    def abort(self, deadline: float) -> None:
        """End one that hangs. It writes where it hangs, if it can; `enforce` kills it after the deadline.

        The end is not expected, so the child is replaced like one that died.
        """
        self.deadline = min(self.deadline, deadline)
        if self.alive:
            for number in (signal.SIGABRT, signal.SIGCONT):  # One that is stopped has to go on to end.
                os.kill(self.pid, number)

    def reopen_logs(self) -> None:
        """Ask it to open its log files anew; one that is not ready yet will open them anyway."""
        if self.alive and self.served:
            os.kill(self.pid, signal.SIGUSR1)

    def ended(self, status: int) -> None:
        """Take note of its end, given the status that `waitpid` returned."""
        self.hear()
        self.code = self._process.returncode = os.waitstatus_to_exitcode(status)
        self.supervisor_pipe.close()

    @property
    def fate(self) -> str:
        """How it ended, in words."""
        if self.code is not None and self.code < 0:
            return f"was killed by {name_of(-self.code)}"
        return f"ended with exit code {self.code}"

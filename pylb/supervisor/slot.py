"""A slot: the place of one process, which is refilled when the process ends."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from pylb.supervisor.child import Child

STEADY = 1.0
"""Seconds of service after which the next child may start immediately."""
FIRST_PAUSE = 0.1
"""Seconds until the next start, after a child that ended sooner than that; doubled each time."""
LONGEST_PAUSE = 10.0
MAX_STARTS = 3
"""Children that may end before any was ready; after that pylb gives up."""
USAGE = 2
"""The exit code of a child that rejects its options; another start would fail too."""


class Slot:
    """The process in a slot, its successor, and the time of the next start.

    Args:
        role: the command that its children run: `worker`, `control`.
        name: their name in log lines.
        number: its index among several, from 0.
        listening: the sockets for clients without TLS, or for operators.
        tls: the sockets for TLS clients.
    """

    def __init__(
        self,
        role: str,
        name: str,
        number: int = 0,
        listening: Sequence[socket.socket] = (),
        tls: Sequence[socket.socket] = (),
    ) -> None:
        self.role = role
        self.name = name
        self.number = number
        self.listening = list(listening)
        self.tls = list(tls)
        self.child: Child | None = None
        self.successor: Child | None = None
        """The process that replaces the child when it is ready."""
        self.due = 0.0
        """When another child may be started, in monotonic seconds."""
        self.proved = False
        """Whether a child was ever ready; then starts are repeated without limit."""
        self._failures = 0

    def ready(self) -> bool:
        """Whether the child is ready."""
        self.proved |= self.child is not None and self.child.served
        return self.child is not None and self.child.serving

    def promote(self) -> Child | None:
        """Replace the child by its successor; return the former child."""
        former, self.child, self.successor = self.child, self.successor, None
        return former

    def on_end(self, child: Child, now: float) -> float:
        """Record the unexpected end of a child; return the delay before the next start in seconds."""
        self.proved |= child.served
        self.child = None
        if child.served and now - child.started > STEADY:
            self._failures = 0
            self.due = now
            return 0.0
        return self.on_start_failure(now)

    def on_start_failure(self, now: float) -> float:
        """Record a failed start; return the delay before the next one in seconds."""
        self._failures += 1
        pause: float = min(FIRST_PAUSE * 2 ** (self._failures - 1), LONGEST_PAUSE)
        self.due = now + pause
        return pause

    def cannot_start(self, child: Child) -> bool:
        """Whether further starts are useless after the end of this child."""
        return not self.proved and (child.code == USAGE or self._failures >= MAX_STARTS)

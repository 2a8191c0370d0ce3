"""A seat: a place among the processes that must not stay empty."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from pylb.supervisor.child import Child

STEADY = 1.0
"""Seconds of service after which the end of a child is an accident, and the next one may start at once."""
FIRST_PAUSE = 0.1
"""Seconds until the next start, after a child that ended sooner than that; doubled each time."""
LONGEST_PAUSE = 10.0
TRIES = 3
"""Children that may end before any of them was ready; then it is not worth going on."""
USAGE = 2
"""The exit code of a child that cannot use its options: another try would be in vain."""


class Slot:
    """Who sits there, and who may follow when.

    Args:
        role: the command that its children run: `worker`, `control`.
        name: what logs call them.
        number: which of several it is, from 0.
        listening: the sockets that go with the seat.
        tls: those where clients speak TLS.
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
        """Takes the seat over as soon as it is ready."""
        self.due = 0.0
        """When another child may be started, in monotonic seconds."""
        self.proved = False
        """Whether a child was ever ready here: what worked once may work again."""
        self._failures = 0

    def ready(self) -> bool:
        """Whether somebody sits there and does the work."""
        self.proved |= self.child is not None and self.child.served
        return self.child is not None and self.child.serving

    def promote(self) -> Child | None:
        """Let the successor take the seat; return who sat there until now."""
        former, self.child, self.successor = self.child, self.successor, None
        return former

    def left_by(self, child: Child, now: float) -> float:
        """Take note that a child has ended unasked; return the pause before the next one."""
        self.proved |= child.served
        self.child = None
        if child.served and now - child.started > STEADY:
            self._failures = 0
            self.due = now
            return 0.0
        return self.not_started(now)

    def not_started(self, now: float) -> float:
        """Take note that a start has failed; return the pause before the next one."""
        self._failures += 1
        pause: float = min(FIRST_PAUSE * 2 ** (self._failures - 1), LONGEST_PAUSE)
        self.due = now + pause
        return pause

    def cannot_start(self, child: Child) -> bool:
        """Whether no child can ever be ready here, judged by the one that has just ended."""
        return not self.proved and (child.code == USAGE or self._failures >= TRIES)

"""A queue of signals: the handlers do nothing, and the supervisor's loop takes the signals."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from types import FrameType


def name_of(number: int) -> str:
    """Return the name of a signal; only the first and the last real-time signal have names."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class SignalQueue:
    """Collects signals after `open`; `descriptor` is readable while the queue is not empty.

    Args:
        numbers: the signals.
    """

    def __init__(self, numbers: Iterable[signal.Signals]) -> None:
        self._numbers = tuple(numbers)
        self.descriptor, self._end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def open(self) -> None:
        """Install the handlers."""
        signal.set_wakeup_fd(self._end, warn_on_full_buffer=False)
        for number in self._numbers:
            signal.signal(number, _ignore)

    def take(self) -> list[signal.Signals]:
        """Return the signals since the last call, in order."""
        with contextlib.suppress(BlockingIOError):
            return [signal.Signals(number) for number in os.read(self.descriptor, 4096)]
        return []

    def close(self) -> None:
        """Close the queue and restore the default handlers."""
        signal.set_wakeup_fd(-1)
        for number in self._numbers:
            signal.signal(number, signal.SIG_DFL)
        os.close(self.descriptor)
        os.close(self._end)


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing: Python has already written the number to the pipe."""

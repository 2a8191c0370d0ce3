"""Signals as a queue: the handler does nothing, the loop acts when it is ready to."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from types import FrameType


def name_of(number: int) -> str:
    """What a signal is called; real-time signals have no names but the first and the last."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class SignalQueue:
    """Collects signals from `open` on; its `descriptor` is readable while there are some.

    Args:
        numbers: the signals.
    """

    def __init__(self, numbers: Iterable[signal.Signals]) -> None:
        self._numbers = tuple(numbers)
        self.descriptor, self._end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def open(self) -> None:
        """Begin."""
        signal.set_wakeup_fd(self._end, warn_on_full_buffer=False)
        for number in self._numbers:
            signal.signal(number, _ignore)

    def take(self) -> list[signal.Signals]:
        """Those that came since the last call, in their order."""
        with contextlib.suppress(BlockingIOError):
            return [signal.Signals(number) for number in os.read(self.descriptor, 4096)]
        return []

    def close(self) -> None:
        """End; the signals do again what they did by default."""
        signal.set_wakeup_fd(-1)
        for number in self._numbers:
            signal.signal(number, signal.SIG_DFL)
        os.close(self.descriptor)
        os.close(self._end)


def _ignore(number: int, frame: FrameType | None) -> None:
    """Python has written the number into the pipe; that is all."""

"""Single keys from the terminal, without waiting for Enter and without showing them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def keys(pressed: Callable[[str], None]) -> Iterator[None]:
    """Call `pressed` with each key, in the running loop, and leave the terminal as it was."""
    terminal, loop = sys.stdin.fileno(), asyncio.get_running_loop()

    def readable() -> None:
        try:
            typed = os.read(terminal, 64)
        except OSError:
            typed = b""
        if not typed:  # The terminal is gone. Only the leader of its session is told so by the kernel.
            loop.remove_reader(terminal)
            signal.raise_signal(signal.SIGHUP)
        for key in typed.decode(errors="ignore"):
            pressed(key)

    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    loop.add_reader(terminal, readable)
    try:
        yield
    finally:
        loop.remove_reader(terminal)
        with suppress(termios.error):
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)

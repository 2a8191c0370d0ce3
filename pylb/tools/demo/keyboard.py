"""Reads single keys from the terminal, without Enter and without echo."""

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
    """Call `pressed` with each key, in the running loop, and restore the terminal at the end."""
    terminal, loop = sys.stdin.fileno(), asyncio.get_running_loop()

    def readable() -> None:
        try:
            typed = os.read(terminal, 64)
        except OSError:
            typed = b""
        if not typed:  # The terminal is closed. The kernel sends SIGHUP only to the session leader.
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

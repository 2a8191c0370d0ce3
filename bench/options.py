"""What the commands of this package have in common: options that are lists of names, and an orderly end."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager


def names_of(known: Collection[str]) -> Callable[[str], list[str]]:
    """A reader of comma-separated names, all of which must be known."""

    def read(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"got {name!r}, expected some of {', '.join(known)}")
        return names

    return read


def positive(text: str) -> int:
    """A reader of whole numbers from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number from 1 on")
    return int(text)


@contextmanager
def end_on_signals() -> Iterator[None]:
    """Let SIGTERM end a run as Ctrl-C does, so that everything it has started is ended first."""
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)

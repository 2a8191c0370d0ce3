"""What the commands of this package have in common: options that are lists of names, and an orderly end."""

from __future__ import annotations

import argparse
import math
import resource
import signal
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import FrameType

from pylb.config.kinds import CONSUL


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


def seconds(text: str) -> float:
    """A reader of times above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a number of seconds above 0")
    return value


def consul_url(text: str) -> str:
    """A reader of the address of Consul's API, as pylb takes it."""
    try:
        return str(CONSUL.parse(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected {CONSUL.expected}") from None


@contextmanager
def end_on_signals() -> Iterator[None]:
    """Let SIGINT and SIGTERM raise KeyboardInterrupt, once: what was started is then ended undisturbed."""
    signals = (signal.SIGINT, signal.SIGTERM)

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    previous = [signal.signal(each, interrupt) for each in signals]
    try:
        yield
    finally:
        for each, handler in zip(signals, previous, strict=True):
            signal.signal(each, handler)


def open_files() -> None:
    """Let this process, and all that it starts, open as many files as the machine lets it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

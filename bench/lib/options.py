"""What all commands need: parsers of option values, handling of signals, and the limit on open files."""

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
    """A parser of comma-separated names. A name that is not in `known` is an error."""

    def read(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"got {name!r}, expected names out of {', '.join(known)}")
        return names

    return read


def positive(text: str) -> int:
    """Parse a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number of at least 1")
    return int(text)


def seconds(text: str) -> float:
    """Parse a positive number of seconds."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a number of seconds above 0")
    return value


def consul_url(text: str) -> str:
    """Parse the address of Consul's API as pylb's `--consul` does."""
    try:
        return str(CONSUL.parse(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected {CONSUL.expected}") from None


@contextmanager
def interrupt_on_signals() -> Iterator[None]:
    """Raise KeyboardInterrupt on the first SIGINT or SIGTERM, and ignore further ones during the clean-up."""
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


def raise_file_limit() -> None:
    """Raise the limit on open files to the hard limit, for this process and its children."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

"""A test fails if it causes an ERROR log record, or an exception that Python can only print.

pylb logs at level ERROR what an operator has to act on, and its own defects; asyncio logs there a crash of a
callback, and an exception of a task that no code retrieved. A test that provokes one on purpose declares it:

    @pytest.mark.logs_error(r"cannot be used")

The marker takes a regular expression. It must match at least one of the errors, and each error must be
matched by one marker. Logs of a pylb in a process of its own count as well, if the test gives them to
`check_output`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

LOGGERS = ("pylb", "asyncio", "aiohttp")

PRINTED = re.compile(
    r" (?:ERROR|CRITICAL) |^Traceback \(most recent|^Exception ignored in|^Fatal Python error"
)
"""A line of a log that is an error, or begins one."""


class Errors(logging.Handler):
    """Collects errors while it is entered; each is one string."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if _collecting[-1][0] is self and not _is_cancelled_handler(record):
            self.found.append(self.format(record))

    def unraisable(self, event: sys.UnraisableHookArgs) -> None:
        """Take the place of `sys.unraisablehook`."""
        text = event.err_msg or "Exception ignored in"
        self.found.append(f"{text} {event.object!r}: {event.exc_value!r}")

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Collect errors from all loggers and from the interpreter."""
        loggers = [logging.getLogger(name) for name in LOGGERS]
        before, sys.unraisablehook = sys.unraisablehook, self.unraisable
        for logger in loggers:
            logger.addHandler(self)
        try:
            yield
            gc.collect()
            gc.freeze()  # What survives is not looked at again: the next collection takes 1 ms and not 100.
        finally:
            for logger in loggers:
                logger.removeHandler(self)
            sys.unraisablehook = before

    def unexpected(self, patterns: Iterable[str]) -> list[str]:
        """The errors that no pattern matches, and a line for each pattern that matches no error."""
        wanted = list(patterns)
        surprises = [error for error in self.found if not any(re.search(p, error) for p in wanted)]
        missing = [p for p in wanted if not any(re.search(p, error) for error in self.found)]
        return surprises + [f"no error matches {pattern!r}" for pattern in missing]


def _is_cancelled_handler(record: logging.LogRecord) -> bool:
    """Whether asyncio logs that a stream server's handler was cancelled, as it does before Python 3.12."""
    cancelled = record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
    return record.name == "asyncio" and cancelled


_collecting: list[tuple[Errors, ExitStack]] = []
"""The collector of the test that runs, and what ends its work; more than one where a test runs pytest."""


def check_output(lines: Iterable[str]) -> None:
    """Count the error lines of a pylb in another process as errors of the test that runs."""
    errors, _ = _collecting[-1]
    errors.found += [line for line in lines if PRINTED.search(line)]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "logs_error(pattern): the test provokes an error that matches")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Begin to collect before the first fixture is set up."""
    errors, stack = Errors(), ExitStack()
    stack.enter_context(errors.collected())
    _collecting.append((errors, stack))
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Judge after the last fixture is torn down."""
    try:
        return (yield)
    finally:
        errors, stack = _collecting.pop()
        stack.close()
        unexpected = errors.unexpected(marker.args[0] for marker in item.iter_markers("logs_error"))
        if unexpected:
            pytest.fail("the test caused errors:\n" + "\n".join(unexpected), pytrace=False)

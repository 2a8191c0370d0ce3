"""Writes access log lines in batches, from a separate thread: the event loop never waits for the reader."""

from __future__ import annotations

import fcntl
import logging
import os
import select
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from pylb.errors import StartError

GATHER = 0.2
"""Seconds for which lines are collected before they are written."""
BATCH = 64 * 1024
"""Bytes at which a batch is written immediately."""
BACKLOG = 4 * 1024 * 1024
"""Maximum bytes queued for a slow reader; further lines are dropped and counted."""

log = logging.getLogger("pylb")


class LogWriter:
    """Writes lines to a file, a pipe or a terminal.

    The event loop appends lines and the writer thread removes them. Each thread has separate counters, so no
    lock is needed. The writer thread sleeps while there are no lines.

    Args:
        place: the destination: the path of a file to append to, or a descriptor. It may block: only the
            writer thread waits.
        name: the name of the log in error messages.
        lock: descriptor of a file that all processes with the same destination lock during writes: a pipe
            would interleave concurrent batches. It must not be closed.

    Raises:
        StartError: the file cannot be written.
    """

    def __init__(self, place: int | str, name: str = "access log", *, lock: int | None = None) -> None:
        self._place = place
        try:
            self._descriptor = _open(place) if isinstance(place, str) else place
        except OSError as error:
            raise StartError(f"{name}: cannot write {place}: {error.strerror}") from None
        self._name = name
        self._lock = lock
        self._lines: deque[bytes] = deque()
        self._accepted = 0
        """Bytes accepted by `write`, since the start."""
        self._settled = 0
        """Bytes written or dropped by the thread, since the start."""
        self._overflowed = 0
        """Lines dropped by `write` because the backlog was full."""
        self._lost = 0
        """Lines dropped by the thread after a write error."""
        self._refusing = False
        self._trouble = ""
        self._some = Event()
        self._enough = Event()
        self._closing = False
        self._reopening = False
        self._thread = Thread(target=self._run, name=f"{name} writer", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Lines dropped since the start."""
        return self._overflowed + self._lost

    def write(self, line: bytes) -> None:
        """Queue a line, or drop it if the backlog is full; never block."""
        waiting = self._accepted - self._settled
        if waiting > BACKLOG:
            self._overflowed += 1
            if not self._refusing:
                self._refusing = True
                log.warning("%s: the reader is too slow; dropping lines until it has caught up", self._name)
            return
        self._accepted += len(line)
        self._lines.append(line)
        if not self._some.is_set():
            self._some.set()
        if waiting > BATCH and not self._enough.is_set():
            self._enough.set()

    def reopen(self) -> None:
        """Reopen the file before the next write, because log rotation has moved it away."""
        self._reopening = True
        self._some.set()
        self._enough.set()

    def close(self, timeout: float = 1.0) -> None:
        """Write the queued lines, for at most `timeout` seconds."""
        self._closing = True
        self._some.set()
        self._enough.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        while self._lines or not self._closing:
            self._some.wait()
            self._some.clear()
            if not self._closing:
                self._enough.wait(GATHER)
                self._enough.clear()
            if self._reopening and isinstance(self._place, str):
                self._reopen(self._place)
            while self._lines:
                self._write_batch()
            if self._refusing:
                self._refusing = False
                log.warning("%s: %d lines were dropped since the start", self._name, self.dropped)

    def _reopen(self, path: str) -> None:
        self._reopening = False
        try:
            opened = _open(path)
        except OSError as error:
            log.error("%s: cannot reopen the file, continuing with the old one: %s", self._name, error)
            return
        former, self._descriptor = self._descriptor, opened
        os.close(former)
        log.info("%s: reopened %s", self._name, path)

    def _write_batch(self) -> None:
        batch = []
        size = 0
        while self._lines and size < BATCH:
            batch.append(self._lines.popleft())
            size += len(batch[-1])
        try:
            with self._locked():
                self._write_all(memoryview(b"".join(batch)))
            self._trouble = ""
        except Exception as error:  # the thread must survive any error
            self._lost += len(batch)
            if str(error) != self._trouble:
                self._trouble = str(error)
                log.error("%s: dropping lines: %s", self._name, error)
        self._settled += size

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self._lock is None:
            yield
            return
        fcntl.lockf(self._lock, fcntl.LOCK_EX)  # The kernel releases it if this process dies.
        try:
            yield
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)

    def _write_all(self, data: memoryview) -> None:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:  # another process made it non-blocking
                select.select([], [self._descriptor], [])


def _open(path: str) -> int:
    # O_APPEND: each write goes to the end of the file, also with several writers.
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

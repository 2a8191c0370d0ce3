"""Writes log lines in batches, from a thread of its own: who logs a line never waits for who reads it."""

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
"""Seconds for which lines are gathered before they are written."""
BATCH = 64 * 1024
"""Bytes that are written without waiting for more."""
BACKLOG = 4 * 1024 * 1024
"""Bytes that may wait for a slow reader; lines beyond that are dropped, and counted."""

log = logging.getLogger("pylb")


class LogWriter:
    """Lines on their way to a file, a pipe or a terminal.

    The loop's thread appends, the writer's thread takes away; each counts what it does itself, so there is no
    lock. While nothing is logged, nothing wakes up.

    Args:
        place: where the lines go: the path of a file that they are added to, or a descriptor. It may block:
            only the writer's thread waits.
        name: what complaints call it.
        lock: descriptor of a file that every process which writes to the same place locks meanwhile: a pipe
            would mix up batches that are written at the same time. It must not be closed.

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
        """Bytes that `write` took, since the start."""
        self._settled = 0
        """Bytes that the thread wrote or gave up, since the start."""
        self._refused = 0
        """Lines dropped by `write`: the backlog was full."""
        self._lost = 0
        """Lines dropped by the thread: they could not be written."""
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
        """Lines that were lost, since the start."""
        return self._refused + self._lost

    def write(self, line: bytes) -> None:
        """Have a line written soon, or drop it; never wait."""
        waiting = self._accepted - self._settled
        if waiting > BACKLOG:
            self._refused += 1
            if not self._refusing:
                self._refusing = True
                log.warning(
                    "%s: its reader is too slow, lines are dropped until it has caught up", self._name
                )
            return
        self._accepted += len(line)
        self._lines.append(line)
        if not self._some.is_set():
            self._some.set()
        if waiting > BATCH and not self._enough.is_set():
            self._enough.set()

    def reopen(self) -> None:
        """Open the file anew before anything more is written: whoever rotates logs has moved it away."""
        self._reopening = True
        self._some.set()
        self._enough.set()

    def close(self, timeout: float = 1.0) -> None:
        """Write what is left, for at most `timeout` seconds."""
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
            log.error("%s: goes on in the old file: %s", self._name, error)
            return
        former, self._descriptor = self._descriptor, opened
        os.close(former)
        log.info("%s: opened %s again", self._name, path)

    def _write_batch(self) -> None:
        batch = []
        size = 0
        while self._lines and size < BATCH:
            batch.append(self._lines.popleft())
            size += len(batch[-1])
        try:
            with self._taking_turns():
                self._write_all(memoryview(b"".join(batch)))
            self._trouble = ""
        except Exception as error:  # whatever it is, the thread goes on
            self._lost += len(batch)
            if str(error) != self._trouble:
                self._trouble = str(error)
                log.error("%s: lines are dropped: %s", self._name, error)
        self._settled += size

    @contextmanager
    def _taking_turns(self) -> Iterator[None]:
        if self._lock is None:
            yield
            return
        fcntl.lockf(self._lock, fcntl.LOCK_EX)  # The kernel lets go of it if this process dies.
        try:
            yield
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)

    def _write_all(self, data: memoryview) -> None:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:  # somebody else made the descriptor non-blocking: wait as if it were not
                select.select([], [self._descriptor], [])


def _open(path: str) -> int:
    # Each write goes to the end of the file, whoever else writes there.
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

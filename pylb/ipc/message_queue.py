"""The messages that a process has received and not handled yet, in their order.

A message may be handled in many steps. The queue yields to the event loop after `SLICE`, so that requests do
not wait for thousands of messages, or for one that has thousands of declarations.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

SLICE = 0.005
"""Seconds after which other work of the event loop is done."""

DONE = object()


class MessageQueue:
    """Handles messages one after the other.

    Args:
        handle: returns the steps in which a message is handled; each is short.
        clock: seconds.
    """

    def __init__(
        self, handle: Callable[[str, Any], Iterator[None]], clock: Callable[[], float] = monotonic
    ) -> None:
        self._handle = handle
        self._clock = clock
        self._waiting: deque[tuple[str, Any]] = deque()
        self._steps: Iterator[None] = iter(())
        self._scheduled: asyncio.Handle | None = None

    def put(self, kind: str, content: Any) -> None:
        """Append a message, which is handled in the next iteration of the event loop."""
        self._waiting.append((kind, content))
        self._schedule()

    def clear(self) -> None:
        """Drop all messages, and the remaining steps of the one that is being handled."""
        self._waiting.clear()
        self._steps = iter(())

    def _schedule(self) -> None:
        if self._scheduled is None:
            self._scheduled = asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        self._scheduled = None
        end = self._clock() + SLICE
        try:
            while self._step():
                if self._clock() > end:
                    self._schedule()
                    return
        except Exception:
            self._schedule()  # A message that cannot be handled does not stop the others.
            raise

    def _step(self) -> bool:
        """Do one step; return whether there was one."""
        if next(self._steps, DONE) is not DONE:
            return True
        if not self._waiting:
            return False
        self._steps = self._handle(*self._waiting.popleft())
        return True

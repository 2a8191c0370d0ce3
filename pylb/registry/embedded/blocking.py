"""Blocking queries: a reader says which index it has seen, and is answered when there is a newer one.

The rules are those of Consul's server 1.8. In particular, a newer index alone does not end the wait: one of
the rows that the query looked at must have changed, come or gone as well.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

DEFAULT_WAIT = 300.0
MAX_WAIT = 600.0
JITTER_FRACTION = 16
"""Consul adds up to wait/16, so that readers that started together do not all come back together."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What a query found, and the index of the last write that could have changed it."""

    index: int
    content: T
    """The rows that it looked at, which are what it watches."""
    watches_index: bool = False
    """Whether there was nothing to watch, so that any newer index counts as a change."""


def patience(wait: float) -> float:
    """Seconds to wait for who asked for `wait`: none asked for means 5 minutes, and 10 are the most."""
    wait = min(wait, MAX_WAIT) if wait > 0 else DEFAULT_WAIT
    return wait + random.uniform(0, wait / JITTER_FRACTION)


class Changes:
    """The counter of writes that all the registry's data share, and those who wait for the next one."""

    def __init__(self) -> None:
        self.index = 1  # of no write, so that it can stand for data that was never written
        self._next = asyncio.Event()

    def advance(self) -> int:
        """Number a write, and wake every waiting reader once the caller has finished it.

        The reader runs in a later turn of the event loop; a write that does not `await` is whole by then.
        """
        self.index += 1
        awakened, self._next = self._next, asyncio.Event()
        awakened.set()
        return self.index

    async def settle(self, query: Callable[[], Answer[T]], seen: int, wait: float) -> Answer[T]:
        """Answer `query` at once if `seen` is 0, else when its index has passed `seen` or the time is up.

        Args:
            query: looks at the data as they are now.
            seen: the index that the reader knows.
            wait: seconds, as `patience` reads them.

        Returns:
            The latest answer, or the first one again if the time was up.
        """
        first = answer = query()
        if not 0 < answer.index <= seen:
            return answer
        try:
            async with asyncio.timeout(patience(wait)):
                while answer.index <= seen or not (answer.watches_index or answer.content != first.content):
                    await self._next.wait()
                    answer = query()
        except TimeoutError:
            return first
        return answer

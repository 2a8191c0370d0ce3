"""Blocking queries: a request carries an index, and is answered when the index of its answer is greater.

The rules are those of Consul's server 1.8. In particular, a greater index does not end the wait by itself: a
row that the query selects must also have been added, changed or removed.
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
"""Consul adds up to wait/16, so that queries that started together do not end together."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """The result of a query, and the index of the last write that could have changed it."""

    index: int
    content: T
    """The rows that the query selected and watches."""
    watches_index: bool = False
    """Whether any greater index counts as a change, because there are no rows to compare."""


def wait_time(wait: float) -> float:
    """Return the seconds to wait, with jitter: as requested, at most 10 minutes; by default 5 minutes."""
    wait = min(wait, MAX_WAIT) if wait > 0 else DEFAULT_WAIT
    return wait + random.uniform(0, wait / JITTER_FRACTION)


class Changes:
    """The counter of writes to all data of the registry, and the queries that wait for the next write."""

    def __init__(self) -> None:
        self.index = 1  # the index of data that was never written
        self._next = asyncio.Event()

    def advance(self) -> int:
        """Return the number of a new write, and wake every waiting query.

        The queries run in a later iteration of the event loop, when a write without `await` is complete.
        """
        self.index += 1
        awakened, self._next = self._next, asyncio.Event()
        awakened.set()
        return self.index

    async def settle(self, query: Callable[[], Answer[T]], seen: int, wait: float) -> Answer[T]:
        """Answer `query` immediately if `seen` is 0, else when its index passes `seen` or the wait ends.

        Args:
            query: evaluates the query on the current data.
            seen: the index in the request.
            wait: seconds; see `wait_time`.

        Returns:
            The current answer, or the first one if the wait ended.
        """
        first = answer = query()
        if not 0 < answer.index <= seen:
            return answer
        try:
            async with asyncio.timeout(wait_time(wait)):
                while answer.index <= seen or not (answer.watches_index or answer.content != first.content):
                    await self._next.wait()
                    answer = query()
        except TimeoutError:
            return first
        return answer

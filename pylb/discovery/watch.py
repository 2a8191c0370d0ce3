"""Runs a provider without end: an error ends one run, and the next one begins after a pause.

Rules: a watch never ends by itself and never decides about instances. It reports each failure once, as long
as the same failure repeats.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from random import Random

from pylb.discovery.provider import Provider
from pylb.discovery.status import DiscoveryStatus
from pylb.model import Snapshot
from pylb.runtime.backoff import Backoff, TokenBucket

log = logging.getLogger("pylb.discovery")


@dataclass(frozen=True, slots=True)
class Failure:
    """The registry gave no usable response."""

    reason: str
    """As text: the type of the error and its message."""


class Watch:
    """Yields the snapshots of one provider, and its failures.

    Args:
        provider: where the instances come from.
        status: receives the state of the contact to the registry; shared with the provider.
        clock: monotonic seconds.
        sleep: waits so many seconds.
        rng: source of the jitter of pauses.
    """

    def __init__(
        self,
        provider: Provider,
        status: DiscoveryStatus,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: Random | None = None,
    ) -> None:
        self.status = status
        self._provider = provider
        self._clock = clock
        self._sleep = sleep
        self._backoff = Backoff(rng)
        self._bucket = TokenBucket()
        self._last: Snapshot | None = None

    async def events(self) -> AsyncGenerator[Snapshot | Failure, None]:
        """Yield each snapshot and each failure, without end."""
        while True:
            try:
                async with aclosing(self._provider.watch()) as snapshots:
                    async for snapshot in snapshots:
                        self._note_response()
                        yield snapshot
                        await self._throttle(snapshot)
                raise RuntimeError("the provider ended its watch")
            except Exception as error:  # No error of a provider ends the watch.
                failed = error
            yield self._note_failure(failed)
            await self._sleep(self._backoff.after(failed))

    async def _throttle(self, snapshot: Snapshot) -> None:
        """Pause after responses without a change.

        Consul may end a blocking query again and again without a change that matters (issues 1244, 2616,
        3890). Only such responses are slowed down: each change makes the whole burst available again.
        """
        now = self._clock()
        unchanged, self._last = snapshot.same_content(self._last), snapshot
        if not unchanged:
            self._bucket.fill(now)
        elif pause := self._bucket.take(now):
            self.status.guards["throttled"] += 1
            await self._sleep(pause)

    def _note_response(self) -> None:
        status = self.status
        if status.error:
            log.warning("%s: the registry responds again", status.service)
        status.error = ""
        status.answered = self._clock()
        self._backoff.reset()

    def _note_failure(self, error: Exception) -> Failure:
        status = self.status
        reason = f"{type(error).__name__}: {error}"
        if reason != status.error:
            log.warning("%s: no usable response from the registry: %s", status.service, reason)
            log.debug("%s: the exception", status.service, exc_info=error)
        status.error = reason
        status.errors += 1
        return Failure(reason)

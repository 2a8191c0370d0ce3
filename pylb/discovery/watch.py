"""One service's watch: drives a provider for ever, and delivers what changed.

It never ends and never delivers an error. Between two answers the pool keeps what it has; whatever the
provider raises is logged once, counted, and tried again with back-off.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from math import inf
from random import Random
from typing import NoReturn

from pylb.discovery.guard import Guard
from pylb.discovery.provider import Provider
from pylb.discovery.removals import removals
from pylb.discovery.snapshot_store import Memory
from pylb.discovery.status import WatchStatus
from pylb.model import Endpoint, Snapshot
from pylb.runtime.backoff import Backoff, TokenBucket

log = logging.getLogger("pylb.discovery")

PATIENCE = 0.25
"""Seconds that a registry has for its first answer, before what was kept on disk is used meanwhile."""

UNREGISTERED = "none is there yet, or it has another name"
"""Why no instance is listed, where the provider does not know better."""

MAX_CAUSE = 10
"""Changed instances that a snapshot's cause names before it only counts."""


class Watch:
    """Keeps one pool up to date.

    Args:
        provider: where the endpoints come from.
        deliver: takes each snapshot that differs from the one before; called in the running loop, must not
            block.
        status: what the watch writes about itself; shared with the provider.
        guard: decides which disappearances to believe.
        known: what another watch of the service has delivered last; this one goes on from there.
        memory: keeps what is known for the next start.
        clock: monotonic seconds.
        sleep: waits so many seconds.
        rng: source of the back-off's jitter.
    """

    def __init__(
        self,
        provider: Provider,
        deliver: Callable[[Snapshot], None],
        *,
        status: WatchStatus,
        guard: Guard | None = None,
        known: Snapshot | None = None,
        memory: Memory | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: Random | None = None,
    ) -> None:
        self.status = status
        self.current = known
        """The last snapshot that was delivered."""
        self.first_result = asyncio.Event()
        """Whether there was an answer, or it is clear that it will take a while."""
        self._provider = provider
        self._take = deliver
        self._guard = guard or Guard(status.guards)
        self._memory = memory
        self._clock = clock
        self._sleep = sleep
        self._backoff = Backoff(rng)
        self._bucket = TokenBucket()
        self._seen: Snapshot | None = None
        self._reported = ""
        """Why no instance is listed, as it was logged last."""
        self._recheck: asyncio.TimerHandle | None = None
        if known:
            status.generation = known.generation
            status.instances = len(known.endpoints)
            self._guard.resume(known, "nobody was watching for a moment")

    async def run(self) -> NoReturn:
        """Watch until cancelled."""
        restore = asyncio.get_running_loop().call_later(PATIENCE, self._recall)
        try:
            while True:
                try:
                    await self._follow()
                except Exception as error:  # whatever it is, the watch goes on
                    self._failed(error)
                    await self._sleep(self._backoff.after(error))
        finally:
            restore.cancel()
            self._cancel_recheck()

    async def _follow(self) -> None:
        """Take one life of the provider to its end, which is always an error."""
        async with aclosing(self._provider.watch()) as snapshots:
            async for snapshot in snapshots:
                await self._answered(snapshot)
        raise RuntimeError("the provider ended its watch")

    async def _answered(self, snapshot: Snapshot) -> None:
        """Judge and deliver an answer; if it brought nothing new, do not ask again too soon.

        Consul may answer a waiting query at once and again and again without a change that matters (issues
        1244, 2616, 3890). Only such answers are slowed down: each real change makes the whole burst available
        again.
        """
        now = self._clock()
        unchanged = snapshot.same_content(self._seen)
        self._seen = snapshot
        self._succeeded(now)
        self._note_missing(snapshot)
        self._judge(snapshot)
        self.first_result.set()
        if not unchanged:
            self._bucket.fill(now)
        elif pause := self._bucket.take(now):
            self.status.guards["throttled"] += 1
            await self._sleep(pause)

    def _note_missing(self, snapshot: Snapshot) -> None:
        """Log that no instance is listed at all, and why, as far as that is news."""
        status = self.status
        status.missing = (status.missing or UNREGISTERED) if snapshot.empty else ""
        if status.missing and status.missing != self._reported:
            log.warning("%s: no instance is registered: %s", snapshot.service, status.missing)
        self._reported = status.missing

    def _judge(self, seen: Snapshot) -> None:
        """Let the guard decide, deliver, and ask it again when it wants to be asked."""
        self._cancel_recheck()
        now = self._clock()
        self._deliver(self._guard.judge(seen, now), now)
        self.status.retained = len(self._guard.retained) + self.status.hidden
        self.status.untrusted_reason = self._guard.reason or self.status.hidden_reason
        if self._guard.due < inf:
            loop = asyncio.get_running_loop()
            self._recheck = loop.call_later(self._guard.due - now, self._judge, seen)

    def _cancel_recheck(self) -> None:
        if self._recheck:
            self._recheck.cancel()
            self._recheck = None

    def _deliver(self, snapshot: Snapshot, now: float) -> None:
        if snapshot.same_content(self.current):
            return
        snapshot = replace(
            snapshot,
            generation=self.status.generation + 1,
            cause=f"{snapshot.cause}: {difference(self.current, snapshot)}",
        )
        try:
            self._take(snapshot)
        except Exception as error:
            self.status.undelivered = f"{type(error).__name__}: {error}"
            log.exception("%s: could not be delivered: %s", snapshot.service, snapshot.cause)
            return
        self.status.undelivered = ""
        for endpoint in problematic(snapshot, self.current):
            log.warning("%s: %s: %s", snapshot.service, endpoint.id, "; ".join(endpoint.problems))
        self._note_departures(snapshot)
        self.current = snapshot
        if self._memory and not self.status.recalled:
            self._memory.save(snapshot)
        self.status.generation = snapshot.generation
        self.status.instances = len(snapshot.endpoints)
        self.status.changed = now
        count = len(snapshot.endpoints)
        log.info("%s: generation %d, %d up, %s", snapshot.service, snapshot.generation, count, snapshot.cause)

    def _note_departures(self, snapshot: Snapshot) -> None:
        gone = removals(self.current, snapshot)
        self.status.removals.update(departure.cause for departure in gone)
        if gone and not snapshot.endpoints:
            self.status.guards["emptied"] += 1
        for departure in gone[:MAX_CAUSE]:
            name = departure.endpoint.id or departure.endpoint.authority
            log.info("%s: %s gets no more requests: %s", snapshot.service, name, departure.why)

    def _recall(self) -> None:
        """As long as the registry has not answered once: go by what was known before the start."""
        self.first_result.set()
        if not self.status.pending or self.current is not None or self._memory is None:
            return
        kept = self._memory.load(self.status.service)
        if kept is None:
            return
        snapshot, age = kept
        now = self._clock()
        self.status.recalled = True
        self.status.answered = now - age
        self.status.untrusted_reason = f"kept on disk, confirmed {age:.0f} s before the start"
        log.warning(
            "%s: the registry has not answered, going by what is %s",
            self.status.service,
            self.status.untrusted_reason,
        )
        self._guard.resume(snapshot, "pylb was started without the registry")
        self._deliver(
            replace(snapshot, cause="kept on disk", untrusted_reason=self.status.untrusted_reason), now
        )

    def _succeeded(self, now: float) -> None:
        """The registry has answered."""
        if self.status.error:
            log.warning("%s: the registry answers again", self.status.service)
        self.status.error = ""
        self.status.answered = now
        self.status.recalled = False
        if self._memory:
            self._memory.confirm(self.status.service)
        self._backoff.reset()

    def _failed(self, error: Exception) -> None:
        """There was no usable answer."""
        words = f"{type(error).__name__}: {error}"
        self._recall()
        if words != self.status.error:
            plan = "keeping what is known" if self.current else "nothing is known yet"
            log.warning("%s: %s; %s", self.status.service, words, plan)
            log.debug("%s: what was raised", self.status.service, exc_info=error)
        self.status.error = words
        self.status.errors += 1
        self._cancel_recheck()
        if not self.status.pending:
            self._guard.lost_contact(words)


def problematic(snapshot: Snapshot, before: Snapshot | None) -> list[Endpoint]:
    """Instances with settings that are ignored, as far as that is news."""
    known = {(e.key, e.problems) for e in before.endpoints} if before else set()
    return [e for e in snapshot.endpoints if e.problems and (e.key, e.problems) not in known]


def difference(old: Snapshot | None, new: Snapshot) -> str:
    """Say in words what `new` adds, changes and removes: `+web-3 ~web-1 -web-2`."""
    before = {e.key: e for e in old.endpoints} if old else {}
    after = {e.key: e for e in new.endpoints}
    words = [f"+{e.id}" for key, e in after.items() if key not in before]
    words += [f"~{e.id}" for key, e in after.items() if key in before and before[key] != e]
    words += [f"-{e.id}" for key, e in before.items() if key not in after]
    if not words:
        return "only what takes no requests" if after else "no instance"
    more = len(words) - MAX_CAUSE
    return " ".join(words[:MAX_CAUSE]) + (f" and {more} more" if more > 0 else "")

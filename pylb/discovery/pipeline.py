"""The life of a service's endpoints, from the registry's response to the workers.

This is the only file that names every stage, in order:

    PROVIDER -> GUARD -> ROUTES -> PROBES -> OVERRIDES -> RECORD -> DELIVER -> STORE

Rules: a failure of the registry changes nothing. A state is delivered only if it differs from the one before.
The pipeline alone numbers the states of its pool (`generation`): a response of the registry, a probe verdict
and an override each make a state with a new number. The disk comes last, so that no request waits for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import replace
from math import inf
from typing import Any, Protocol

import orjson

from pylb.discovery import report
from pylb.discovery.difference import difference
from pylb.discovery.guard import Guard
from pylb.discovery.snapshot_store import SnapshotStore
from pylb.discovery.status import DiscoveryStatus
from pylb.discovery.watch import Failure, Watch
from pylb.model import Key, Overlay, PoolState, Snapshot
from pylb.policy.overrides import Override, pool_state

RESTORE_AFTER = 0.25
"""Seconds that a registry has for its first response before the snapshot on disk is used meanwhile."""


class Probes(Protocol):
    """The active probes; see `discovery.probes.prober`."""

    def follow(self, snapshot: Snapshot) -> Mapping[Key, Overlay]:
        """Probe these instances from now on; return those that are probed, with the latest verdicts."""


class Recorder(Protocol):
    """The history of changes; see `control.recorder`."""

    def record(self, state: PoolState) -> Callable[[], None]:
        """Record a state that is about to be delivered; return what to call when all workers apply it."""


class Pipeline:
    """Keeps one pool up to date.

    Args:
        watch: the provider of the service, run without end.
        guard: decides which removals to apply at once.
        probes: probes the instances.
        overrides: returns the overrides in force, of all services.
        recorder: records each state.
        deliver: sends a state to all workers, and calls its second argument when all of them apply it. It is
            called in the running event loop and must not block.
        store: keeps snapshots for the next start; None for none.
        is_routed: reads the routes that the instances of a snapshot declare, and returns whether any source
            declares a route for the service. A pool without routes is neither probed nor delivered.
        zone: returns the zone whose instances are preferred; empty for none.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        watch: Watch,
        guard: Guard,
        probes: Probes,
        *,
        overrides: Callable[[], Iterable[Override]],
        recorder: Recorder,
        deliver: Callable[[PoolState, Callable[[], None]], object],
        store: SnapshotStore | None = None,
        is_routed: Callable[[Snapshot], bool] = lambda _: True,
        zone: Callable[[], str] = str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.status: DiscoveryStatus = watch.status
        self.current: Snapshot | None = None
        """The snapshot that the pool uses: the registry's, with the instances that the guard retains."""
        self.first_result = asyncio.Event()
        """Set after the first response or failure, or when the registry takes longer than that."""
        self.responded = asyncio.Event()
        """Set after the first response."""
        self._watch = watch
        self._guard = guard
        self._probes = probes
        self._overrides = overrides
        self._recorder = recorder
        self._deliver = deliver
        self._store = store
        self._is_routed = is_routed
        self._zone = zone
        self._clock = clock
        self._recheck: asyncio.TimerHandle | None = None
        self._remembered: orjson.Fragment | None = None

    async def run(self) -> None:
        """Follow the registry until cancelled."""
        restore = asyncio.get_running_loop().call_later(RESTORE_AFTER, self._restore)
        try:
            async with aclosing(self._watch.events()) as events:  # PROVIDER
                async for event in events:
                    if isinstance(event, Snapshot):
                        self._on_response(event)
                    else:
                        self._on_failure(event)
                    self.first_result.set()
        finally:
            restore.cancel()
            self._cancel_recheck()

    def _on_response(self, response: Snapshot) -> None:
        """Take a response of the registry, which also confirms the snapshot on disk."""
        self.status.restored = False
        if self._store:
            self._store.confirm(response.service)
        report.missing(response, self.status)
        self._update(response)
        self.responded.set()

    def _update(self, response: Snapshot) -> None:
        """Apply the guard to the last response, and deliver what has changed."""
        snapshot = self._guarded(response)  # GUARD
        if not snapshot.same_content(self.current) or self.status.undelivered:
            cause = f"{snapshot.cause}: {difference(self.current, snapshot)}"
            if self._publish(snapshot, cause, snapshot.observed) and self._store:
                self._store.save(snapshot)  # STORE

    def _publish(self, snapshot: Snapshot, cause: str, observed: float) -> bool:
        """Deliver a snapshot with everything that is laid over it; return whether that succeeded."""
        before, status = self.current, self.status
        if not self._is_routed(snapshot):  # ROUTES
            self.current, self._remembered = snapshot, None
            return False
        status.generation += 1
        try:
            state = pool_state(
                snapshot,
                self._probes.follow(snapshot),  # PROBES
                self._overrides(),  # OVERRIDES
                generation=status.generation,
                cause=cause,
                observed=observed,
                zone=self._zone(),
            )
            applied = self._recorder.record(state)  # RECORD
            self._deliver(state, applied)  # DELIVER
        except Exception as error:  # A defect; the next response is delivered all the same.
            report.undelivered(state.service, cause, error, status)
            return False
        self.current, self._remembered = snapshot, None
        report.delivered(before, snapshot, cause, status, self._clock())
        return True

    def on_change(self, cause: str) -> None:
        """Publish the snapshot again, since a probe verdict or an override has changed."""
        if self.current is not None:
            self._publish(self.current, cause, time.time())

    def _guarded(self, response: Snapshot) -> Snapshot:
        """Apply the guard now, and again when an instance has been retained long enough."""
        self._cancel_recheck()
        now, guard, status = self._clock(), self._guard, self.status
        snapshot = guard.evaluate(response, now)
        status.retained = len(guard.retained) + status.hidden
        status.untrusted_reason = guard.reason or status.hidden_reason
        if guard.due < inf:
            loop = asyncio.get_running_loop()
            self._recheck = loop.call_later(guard.due - now, self._update, response)
        return snapshot

    def _cancel_recheck(self) -> None:
        if self._recheck:
            self._recheck.cancel()
            self._recheck = None

    def _on_failure(self, failure: Failure) -> None:
        """Keep everything as it is: nothing is removed until the registry responds."""
        self._restore()
        self._cancel_recheck()
        if not self.status.pending:
            self._guard.lost_contact(failure.reason)

    def _restore(self) -> None:
        """Use the snapshot on disk, as long as the registry has not responded once."""
        self.first_result.set()
        if not self.status.pending or self.current is not None or self._store is None:
            return
        stored = self._store.load(self.status.service)
        if stored is None:
            return
        snapshot, age = stored
        report.restored(age, self.status, self._clock())
        self._guard.resume(snapshot, "pylb started without the registry")
        snapshot = replace(snapshot, untrusted_reason=self.status.untrusted_reason)
        self._publish(snapshot, f"restored from disk: {difference(None, snapshot)}", snapshot.observed)

    def remember(self) -> orjson.Fragment | None:
        """Return what `resume` needs, as JSON; None if nothing is known yet.

        The result is kept until the next change, since control remembers all pipelines after each change.
        """
        if self._remembered is None and self.current is not None:
            content = {"snapshot": self.current, "generation": self.status.generation}
            self._remembered = orjson.Fragment(orjson.dumps(content))
        return self._remembered

    def resume(self, remembered: Mapping[str, Any]) -> None:
        """Continue where the pipeline of an earlier control process ended; deliver nothing."""
        self.current = snapshot = Snapshot.from_dict(remembered["snapshot"])
        self.status.generation = remembered["generation"]
        self.status.instances = len(snapshot.endpoints)
        self._guard.resume(snapshot, "the control process was restarted")
        if self._is_routed(snapshot):
            self._probes.follow(snapshot)

    def expect(self, remembered: Mapping[str, Any]) -> None:
        """Pass the instances of the pylb that this one replaces to the guard, without using them.

        The guard retains those that the first response misses: a registry that has just restarted may respond
        before it has read its services again.
        """
        snapshot = Snapshot.from_dict(remembered["snapshot"])
        self._guard.resume(snapshot, "pylb was replaced since the response before")

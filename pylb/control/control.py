"""The control plane: one discovery pipeline per service, and what all of them share.

It starts and stops the pipelines, passes changes of probes and overrides to them, and remembers everything
that the next control process needs. The order of the stages is in `discovery.pipeline`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from pylb.assembly.sources import Names, source
from pylb.config import Options
from pylb.config.backends import BackendConnections, Health
from pylb.control.override_store import OverrideStore
from pylb.control.recorder import Recorder
from pylb.control.zone import Zone
from pylb.discovery.guard import Guard
from pylb.discovery.pipeline import Pipeline
from pylb.discovery.probes.client import ProbeClient
from pylb.discovery.probes.prober import Prober
from pylb.discovery.probes.rules import ProbeRules
from pylb.discovery.snapshot_store import SnapshotStore
from pylb.discovery.status import DiscoveryStatus
from pylb.discovery.watch import Watch
from pylb.model import Endpoint, PoolState, Snapshot
from pylb.observe.counters import Counters
from pylb.policy.backend import State
from pylb.policy.overrides import ALL_OF_PYLB, DECIDED, pool_state
from pylb.proxy.upstream.tls import UpstreamTls
from pylb.runtime.lifecycle import TaskScope, keep_running, spawn
from pylb.runtime.logs import set_log_level


class Control:
    """Runs the pipelines of all services.

    Args:
        options: the options of pylb.
        services: the names of the services.
        deliver: sends a pool's state to all workers, and calls its second argument when all of them apply it.
        counters: the counters of traffic, for the history.
        remembered: what `remember` returned in the control process before this one.
        options_of: returns the options of a service; those of pylb by default.
        first_result: called when a service has a first response or failure, or its registry takes longer.
        is_routed: returns whether any source declares a route for the service of a snapshot, and reads the
            routes that its instances declare; see `Pipeline`.
        state_of: returns the state of an instance according to requests.
        set_log_level_everywhere: sets the log level of all processes.
    """

    def __init__(
        self,
        options: Options,
        services: list[str],
        deliver: Callable[[PoolState, Callable[[], None]], object],
        counters: Counters,
        remembered: Mapping[str, Any] | None = None,
        *,
        options_of: Callable[[str], Options] | None = None,
        first_result: Callable[[], object] = lambda: None,
        is_routed: Callable[[Snapshot], bool] = lambda _: True,
        state_of: Callable[[Endpoint], State] = lambda _: State.UP,
        set_log_level_everywhere: Callable[[str], None] = set_log_level,
    ) -> None:
        options_of = options_of or (lambda _: options)
        self._options = options
        self._deliver = deliver
        self._set_log_level_everywhere = set_log_level_everywhere
        self.override_store = OverrideStore(self._changed)
        self.recorder = Recorder(counters)
        self.prober = Prober(
            lambda service: _probe_rules(options_of(service)),
            ProbeClient(),
            self._changed,
            state_of,
            remembered=remembered["verdicts"] if remembered else (),
        )
        self._first_result = first_result
        self._is_routed = is_routed
        self._store = SnapshotStore(options.state_dir) if options.state_dir else None
        self._source = source(options)
        self.zone = Zone(options.zone or "")
        self._scope: TaskScope | None = None
        """Holds the tasks of the pipelines; None before the start."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._remembered = {
            each["snapshot"]["service"]: each for each in (remembered or {}).get("pipelines", ())
        }
        """What the pipelines of the control process before this one remembered, by service, until they exist
        again."""
        self._expected: dict[str, Mapping[str, Any]] = {}
        """The same of the pylb that this one replaces; see `take_over`."""
        self.pipelines: dict[str, Pipeline] = {}
        if remembered:
            self._resume(remembered)
            self.zone.name = self.zone.name or (self.zone.automatic and remembered.get("zone")) or ""
        for service in services:
            self.follow(service)

    @property
    def service_names(self) -> Names | None:
        """Follows the names of all services of the registry; None if it has no catalog."""
        return self._source.names

    def stored_services(self) -> list[str]:
        """Return the services with a snapshot on disk."""
        return self._store.services() if self._store else []

    @property
    def remembered_services(self) -> list[str]:
        """The services that the control process before this one followed, and that are not followed yet."""
        return [*self._remembered]

    def follow(self, service: str, backends: str = "") -> None:
        """Run a pipeline for a service from now on, if there is none.

        Args:
            service: the name of the service.
            backends: fixed backends, as `--static` has them; empty for those of the registry.
        """
        if service in self.pipelines:
            return
        self.pipelines[service] = pipeline = self._pipeline(service, backends)
        if remembered := self._remembered.pop(service, None):
            pipeline.resume(remembered)
        if expected := self._expected.pop(service, None):
            pipeline.expect(expected)
        if self._scope is not None:
            self._start(service)

    def unfollow(self, service: str) -> None:
        """Stop the pipeline of a service."""
        if self.pipelines.pop(service, None) is not None:
            self.stop_probes(service)
            if task := self._tasks.pop(service, None):
                task.cancel()

    def stop_probes(self, service: str) -> None:
        """End the probes of a service's instances."""
        self.prober.follow(Snapshot(service, ()))

    def _start(self, service: str) -> None:
        if self._scope is not None:
            pipeline = self.pipelines[service]
            self._tasks[service] = keep_running(pipeline.run, name=f"watch {service}", scope=self._scope)
            spawn(self._await_first_result(pipeline), name=f"first result of {service}", scope=self._scope)

    async def _await_first_result(self, pipeline: Pipeline) -> None:
        await pipeline.first_result.wait()
        self._first_result()

    def _pipeline(self, service: str, backends: str) -> Pipeline:
        status = DiscoveryStatus(service)
        # Fixed backends cannot be wrongly missing, and need no store.
        fixed = bool(backends) or self._options.static is not None
        fixed_backends = source(replace(self._options, static=backends)) if backends else None
        return Pipeline(
            Watch((fixed_backends or self._source).provider(service, status), status),
            Guard(status.guards, empty_guard=0.0 if fixed else self._options.empty_guard),
            self.prober,
            overrides=self.override_store.overrides.values,
            recorder=self.recorder,
            deliver=self._deliver,
            store=None if fixed else self._store,
            is_routed=self._is_routed,
            zone=lambda: self.zone.name,
        )

    def take_over(self, remembered: Mapping[str, Any]) -> None:
        """Continue the overrides and the history of the pylb that this one replaces.

        This pylb queries the registry itself. The former instances are used only if its first response misses
        them; see `Pipeline.expect`.

        Args:
            remembered: what `remember` returned there.

        Raises:
            LookupError, TypeError, ValueError: another version has written it.
        """
        before = set(self.override_store.overrides.values())
        self._resume(remembered)
        changed = before ^ set(self.override_store.overrides.values())
        for service in sorted({override.service for override in changed}):
            self._changed(service, f"{DECIDED}taken over from the pylb that was replaced")
        for each in remembered["pipelines"]:
            service = each["snapshot"]["service"]
            if pipeline := self.pipelines.get(service):
                pipeline.expect(each)
            else:
                self._expected[service] = each

    def _resume(self, remembered: Mapping[str, Any]) -> None:
        """Apply the overrides and continue the history of another control process."""
        self.override_store.resume(remembered["overrides"])
        overrides = self.override_store.overrides.values()
        snapshots = [Snapshot.from_dict(each["snapshot"]) for each in remembered["pipelines"]]
        latest = [pool_state(snapshot, {}, overrides) for snapshot in snapshots]
        self.recorder.history.restore(remembered["history"], latest)

    def remember(self, entries: int | None = None) -> dict[str, Any]:
        """Return everything that another control process needs to continue from here, for JSON.

        Args:
            entries: how many entries of the history, the newest ones; None for all.
        """
        return {
            "pipelines": [kept for each in self.pipelines.values() if (kept := each.remember())],
            "overrides": self.override_store.remember(),
            "history": list(self.recorder.history.entries)[-(entries or 0) :],
            "verdicts": self.prober.remember(),
            "zone": self.zone.name,
        }

    @property
    def log_level(self) -> str:
        """The least severe level that is logged."""
        overridden = (each.level for each in self.override_store.overrides.values() if each.level)
        return next(overridden, self._options.log_level)

    def start(self, scope: TaskScope) -> None:
        """Start all pipelines; they run until the scope closes."""
        self.recorder.start(scope)
        keep_running(self.prober.run, name="probe", scope=scope)
        if self._source.run is not None:
            keep_running(self._source.run, name="follow the registry", scope=scope)
        if self.zone.automatic and (ask := self._source.zone):
            spawn(self._await_zone(ask), name="read the zone", scope=scope)
        self._scope = scope
        for service in self.pipelines:
            self._start(service)

    async def _await_zone(self, ask: Callable[[], Awaitable[str]]) -> None:
        """Read the zone of pylb, and publish all pools again if it has changed."""
        if await self.zone.read(ask):
            for pipeline in tuple(self.pipelines.values()):
                pipeline.on_change(f"zone {self.zone.name}")

    async def first_result(self) -> None:
        """Wait until each pipeline has a first response or failure, or its registry takes longer."""
        for pipeline in tuple(self.pipelines.values()):
            await pipeline.first_result.wait()

    def _changed(self, service: str, cause: str) -> None:
        """Apply changed overrides or verdicts of a service."""
        if service == ALL_OF_PYLB:
            self._set_log_level_everywhere(self.log_level)
        elif pipeline := self.pipelines.get(service):
            pipeline.on_change(cause)


@lru_cache(maxsize=1024)
def _probe_rules(options: Options) -> ProbeRules:
    """Return how the instances of a service with these options are probed."""
    tls = UpstreamTls(BackendConnections.of(options))
    return ProbeRules(Health.of(options), tls.of, tls.of_h2)

"""The control plane: one watch per service, however many workers follow it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from time import time
from typing import Any

from pylb.assembly.sources import source
from pylb.assembly.tls import read_upstream_tls
from pylb.config import Options
from pylb.config.kinds import TCP
from pylb.control.override_store import OverrideStore
from pylb.control.recorder import Recorder
from pylb.discovery.guard import Guard
from pylb.discovery.probe import Probe
from pylb.discovery.prober import Prober, ProbeRules
from pylb.discovery.snapshot_store import Memory
from pylb.discovery.status import WatchStatus
from pylb.discovery.watch import Watch
from pylb.model import Endpoint, Snapshot
from pylb.observe.counters import Counters
from pylb.policy.backend import State
from pylb.policy.overrides import ALL_OF_PYLB, DECIDED, apply_overrides
from pylb.runtime.lifecycle import TaskScope, keep_running
from pylb.runtime.logs import set_log_level


class Control:
    """Runs the watches, lays the operator's decisions over what they find, and passes it on.

    Args:
        options: what the user wants.
        services: the services to watch.
        deliver: takes each snapshot that differs from the one before, and what to call when all workers go by
            it.
        counters: the traffic, for the records.
        former: what `remember` returned, if another control was here before this one.
        standing: where requests have put an instance.
        set_log_level_everywhere: lets all processes say as much in the log as the operator wants.
    """

    def __init__(
        self,
        options: Options,
        services: list[str],
        deliver: Callable[[Snapshot, Callable[[], None]], object],
        counters: Counters,
        former: Mapping[str, Any] | None = None,
        *,
        standing: Callable[[Endpoint], State] = lambda _: State.UP,
        set_log_level_everywhere: Callable[[str], None] = set_log_level,
    ) -> None:
        self._log_level = options.log_level
        self._set_log_level_everywhere = set_log_level_everywhere
        self.override_store = OverrideStore(self._changed)
        self.recorder = Recorder(counters)
        self._deliver = deliver
        self._found: dict[str, Snapshot] = {}
        """What the registry says, by service, without the operator's decisions."""
        self.prober = Prober(
            ProbeRules(
                options.probe_http or (TCP if options.probe_tcp else ""),
                interval=options.probe_interval,
                fall=options.probe_fall,
                rise=options.probe_rise,
            ),
            Probe(options.probe_timeout, read_upstream_tls(options).of, options.probe_host or ""),
            self._changed,
            standing,
            former=former.get("verdicts", ()) if former else (),
        )
        self._memory = Memory(options.state_dir) if options.state_dir else None
        if former:
            found = map(Snapshot.from_dict, former["found"])
            self._found = {snapshot.service: snapshot for snapshot in found}
            self._resume(former)
            for snapshot in self._found.values():
                self.prober.follow(snapshot)
        self._source = source(options)
        self.watches = {service: self._watch(options, service) for service in services}

    def _watch(self, options: Options, service: str) -> Watch:
        status = WatchStatus(service)
        beyond_doubt = options.static is not None  # What is written down.
        return Watch(
            self._source.provider(service, status),
            self._take,
            status=status,
            guard=Guard(status.guards, empty_guard=0.0 if beyond_doubt else options.empty_guard),
            known=self._found.get(service),
            memory=None if beyond_doubt else self._memory,
        )

    def take_over(self, former: Mapping[str, Any]) -> None:
        """Go on with the decisions and the history of the pylb that this one replaces.

        What the registry says is not taken over: this pylb asks for itself.

        Args:
            former: what `remember` returned there.

        Raises:
            LookupError, TypeError, ValueError: it is of another version.
        """
        before = set(self.override_store.overrides.values())
        self._resume(former)
        changed = before ^ set(self.override_store.overrides.values())
        for service in sorted({override.service for override in changed}):
            self._changed(service, f"{DECIDED}taken over from the pylb that was replaced")

    def _resume(self, former: Mapping[str, Any]) -> None:
        """Put in force what was decided, and go on with what was recorded."""
        self.override_store.resume(former["overrides"])
        overrides = self.override_store.overrides.values()
        latest = [apply_overrides(Snapshot.from_dict(found), overrides) for found in former["found"]]
        self.recorder.history.restore(former["history"], latest)

    def remember(self, entries: int | None = None) -> dict[str, Any]:
        """Everything that another control needs to go on from here, for JSON.

        Args:
            entries: how many entries of the history, the newest; None for all.
        """
        return {
            "found": list(self._found.values()),
            "overrides": self.override_store.remember(),
            "history": list(self.recorder.history.entries)[-(entries or 0) :],
            "verdicts": self.prober.remember(),
        }

    @property
    def log_level(self) -> str:
        """The least important message that is written."""
        decided = (each.level for each in self.override_store.overrides.values() if each.level)
        return next(decided, self._log_level)

    def start(self, owner: TaskScope) -> None:
        """Start watching; it goes on until the owner ends."""
        self.recorder.start(owner)
        keep_running(self.prober.run, name="probe", owner=owner)
        if self._source.run is not None:
            keep_running(self._source.run, name="follow the registry", owner=owner)
        for service, watch in self.watches.items():
            keep_running(watch.run, name=f"watch {service}", owner=owner)

    async def first_result(self) -> None:
        """Wait until each watch has had an answer, or has found that there is none for now."""
        for watch in self.watches.values():
            await watch.first_result.wait()

    def _take(self, snapshot: Snapshot) -> None:
        """A watch has found something new."""
        self._found[snapshot.service] = snapshot
        overruled = apply_overrides(self.prober.follow(snapshot), self.override_store.overrides.values())
        entry = self.recorder.history.record(overruled)
        self._deliver(overruled, lambda: self.recorder.applied(entry, overruled))

    def _changed(self, service: str, cause: str) -> None:
        """The operator or probes have decided something: what is known of a service holds in another way."""
        if service == ALL_OF_PYLB:
            self._set_log_level_everywhere(self.log_level)
            return
        found = self._found.get(service)
        if found is not None:
            status = self.watches[service].status
            status.generation += 1
            self._take(replace(found, generation=status.generation, cause=cause, observed=time()))

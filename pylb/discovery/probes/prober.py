"""Probes all instances of all services, and reports new verdicts.

Rules: a verdict belongs to an instance, not to a snapshot, so a new snapshot does not restart it. Verdicts
are laid over snapshots like an operator's overrides (`model.Overlay`). The pools decide what follows from
them (`policy.pool`): a failed instance receives no requests as long as enough others work.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any, NoReturn

from pylb.config.kinds import TCP
from pylb.discovery.abbreviation import abbreviated
from pylb.discovery.probes.client import ProbeClient
from pylb.discovery.probes.history import ProbeHistory
from pylb.discovery.probes.rules import ProbeRules
from pylb.model import Endpoint, Key, Overlay, ProbeVerdict, Snapshot
from pylb.policy.backend import State

Target = tuple[str, Key, str, str]
"""A service, the key of one of its instances, its address, and how it is probed."""

FASTER = 4
"""How many times more often an instance is probed while its verdict may change (HAProxy: `fastinter`)."""
JITTER = 0.1
"""Ratio by which an interval is longer or shorter, so that probes of many instances spread."""
GATHER = 0.02
"""Seconds for which new verdicts are collected: a failing network makes one change and not hundreds."""
OUT = frozenset({State.EJECTED, State.HALF_OPEN})
"""States after failed requests on connections that the instance had accepted."""


class Prober:
    """Probes all instances.

    Args:
        rules: returns how the instances of a service are probed.
        client: sends the probes.
        changed: called with a service and the cause, as text, when there are new verdicts.
        state_of: returns the state of an instance according to requests.
        remembered: what `remember` returned in an earlier process.
        rng: source of the jitter.
    """

    def __init__(
        self,
        rules: Callable[[str], ProbeRules],
        client: ProbeClient,
        changed: Callable[[str, str], None],
        state_of: Callable[[Endpoint], State],
        *,
        remembered: Iterable[Sequence[Any]] = (),
        rng: Random | None = None,
    ) -> None:
        self._rules = rules
        self._client = client
        self._changed = changed
        self._state_of = state_of
        self._rng = rng or Random()
        self._targets: dict[Target, Endpoint] = {}
        """All instances to probe."""
        self._services: dict[str, tuple[Target, ...]] = {}
        """The same by service, of services that have any."""
        self._verdicts: dict[Target, ProbeVerdict] = {
            (service, tuple(key), address, how): ProbeVerdict(**verdict)
            for service, key, address, how, verdict in remembered
        }
        self._targets_changed = asyncio.Event()
        self._unreported: dict[str, list[str]] = defaultdict(list)
        """New verdicts as text, by service."""

    def remember(self) -> list[tuple[Any, ...]]:
        """Return the verdicts, for JSON."""
        return [(*target, verdict) for target, verdict in self._verdicts.items()]

    def follow(self, snapshot: Snapshot) -> dict[Key, Overlay]:
        """Probe the instances of this snapshot from now on; return those that are probed, with verdicts.

        Excluded instances are probed as well, so that their verdict is known when they return.
        """
        service = snapshot.service
        default = self._rules(service).health.probe
        present = (*snapshot.endpoints, *(x.endpoint for x in snapshot.excluded if x.endpoint.port))
        targets = {_target(e, how): e for e in present if (how := _how(e, default))}
        if targets or service in self._services:
            self._replace(service, targets)
        return {
            e.key: Overlay(probe=how, verdict=self._verdicts.get(_target(e, how)))
            for e in snapshot.endpoints
            if (how := _how(e, default))
        }

    def _replace(self, service: str, targets: dict[Target, Endpoint]) -> None:
        for gone in set(self._services.pop(service, ())) - targets.keys():
            del self._targets[gone]
            self._verdicts.pop(gone, None)
        if targets:
            self._services[service] = tuple(targets)
            self._targets |= targets
        self._targets_changed.set()

    async def run(self) -> NoReturn:
        """Probe until cancelled."""
        tasks: dict[Target, asyncio.Task[None]] = {}
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    for target in tasks.keys() - self._targets.keys():
                        tasks.pop(target).cancel()
                    for target in self._targets.keys() - tasks.keys():
                        probing = self._probe(target, self._targets[target])
                        tasks[target] = group.create_task(probing, name=f"probe {target}")
                    await self._targets_changed.wait()
                    self._targets_changed.clear()
        finally:
            await self._client.close()

    async def _probe(self, target: Target, endpoint: Endpoint) -> None:
        """Probe one instance until cancelled; it may be removed a moment before that."""
        history = ProbeHistory(self._verdicts.get(target))
        how = target[-1]
        await asyncio.sleep(self._rng.random() * self._rules(endpoint.service).health.probe_interval / FASTER)
        while True:
            rules = self._rules(endpoint.service)
            endpoint = self._targets.get(target, endpoint)
            before = self._state_of(endpoint)
            result = await self._client.probe(endpoint, how, rules)
            # An accepted connection does not refute failures of requests on accepted connections.
            clears = before is State.SUSPECT or (before in OUT and how != TCP)
            if (
                history.on_result(result, rules.health, clears=clears)
                and history.verdict
                and target in self._targets
            ):
                self._verdicts[target] = history.verdict
                self._report(endpoint, history.verdict)
            changing = history.changing or before is State.SUSPECT or before in OUT
            interval = rules.health.probe_interval
            pause = interval / FASTER if changing else interval
            await asyncio.sleep(pause * self._rng.uniform(1 - JITTER, 1 + JITTER))

    def _report(self, endpoint: Endpoint, verdict: ProbeVerdict) -> None:
        if not self._unreported:
            asyncio.get_running_loop().call_later(GATHER, self._flush)
        words = "passes" if verdict.well else "fails"
        self._unreported[endpoint.service].append(f"{endpoint.id or endpoint.authority} {words}")

    def _flush(self) -> None:
        unreported, self._unreported = self._unreported, defaultdict(list)
        for service, words in unreported.items():
            self._changed(service, f"probes: {abbreviated(words)}")


def _target(endpoint: Endpoint, how: str) -> Target:
    return endpoint.service, endpoint.key, endpoint.authority, how


def _how(endpoint: Endpoint, default: str) -> str:
    """Return how an instance is probed; empty for not at all."""
    if endpoint.status == "maintenance":
        return ""
    return default if endpoint.probe is None else endpoint.probe

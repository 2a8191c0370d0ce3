"""Active probes: every so often each instance is asked how it is, by one process on behalf of all.

What comes of it is a verdict that lies over the snapshots, as an operator's decisions do. It belongs to the
instance, not to a snapshot: however often the registry answers, nothing begins anew. The pools take it from
there (`policy.pool`): who fails gets no requests, as long as enough others do not.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, NoReturn, Protocol

from pylb.config.kinds import TCP
from pylb.discovery.probe import Answer
from pylb.model import Endpoint, Key, ProbeVerdict, Snapshot
from pylb.policy.backend import State

Instance = tuple[str, Key, str, str]
"""A service, the key of one of its instances, where that is, and how it is asked."""

FASTER = 4
"""By how much more often an instance is asked while its verdict is about to change (HAProxy: `fastinter`)."""
JITTER = 0.1
"""By what part an interval is longer or shorter, so that many instances are not asked in one moment."""
GATHER = 0.02
"""Seconds for which verdicts are gathered, so that a network that fails is one change and not hundreds."""
SILENCED = frozenset({State.EJECTED, State.HALF_OPEN})
"""Where requests put those that accepted them, and failed."""
MAX_NAMED = 8
"""Instances that a cause names before it only counts."""


@dataclass(frozen=True, slots=True)
class ProbeRules:
    """Who is asked, and what is made of the answers. Times are in seconds."""

    how: str = ""
    """What to ask instances that do not say themselves: `tcp`, a path, or nothing."""
    interval: float = 2.0
    fall: int = 3
    """Bad answers in a row that make an instance fail."""
    rise: int = 2
    """Good ones in a row that end that."""


class ProbeClient(Protocol):
    """Asks an instance, as `Probe` does."""

    async def ask(self, endpoint: Endpoint, how: str) -> Answer:
        """Ask it."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...


class ProbeHistory:
    """How one instance has answered.

    Args:
        rules: what is made of the answers.
        verdict: what was made of earlier ones; None: there was never a reason for one.
    """

    def __init__(self, rules: ProbeRules, verdict: ProbeVerdict | None = None) -> None:
        self.verdict = verdict
        self._rules = rules
        self._against = 0
        """Answers in a row that speak against the verdict."""

    @property
    def changing(self) -> bool:
        """Whether the verdict may be about to change."""
        return self._against > 0

    def heard(self, answer: Answer, *, cleared: bool) -> bool:
        """Take note of an answer; whether that makes a new verdict.

        Args:
            answer: what it was.
            cleared: whether a good one refutes what requests say of the instance.
        """
        well = self.verdict is None or self.verdict.well
        if answer.well == well:
            self._against = 0
            if not (answer.well and cleared):
                return False
        else:
            self._against += 1
            if self._against < (self._rules.fall if well else self._rules.rise):
                return False
            self._against = 0
        number = self.verdict.number + 1 if self.verdict else 1
        self.verdict = ProbeVerdict(answer.well, number, refused=answer.refused, why=answer.why)
        return True


class Prober:
    """Asks all instances of all services.

    Args:
        rules: whom, and what is made of the answers.
        probe: how they are asked.
        changed: called with a service, and the cause in words, when there are new verdicts on it.
        standing: where requests have put an instance.
        former: what `remember` returned, if another process asked before this one.
        rng: source of the jitter.
    """

    def __init__(
        self,
        rules: ProbeRules,
        probe: ProbeClient,
        changed: Callable[[str, str], None],
        standing: Callable[[Endpoint], State],
        *,
        former: Iterable[Sequence[Any]] = (),
        rng: Random | None = None,
    ) -> None:
        self._rules = rules
        self._probe = probe
        self._changed = changed
        self._standing = standing
        self._rng = rng or Random()
        self._instances: dict[Instance, Endpoint] = {}
        """All that are to be asked."""
        self._verdicts: dict[Instance, ProbeVerdict] = {
            (service, tuple(key), where, how): ProbeVerdict(**verdict)
            for service, key, where, how, verdict in former
        }
        self._news = asyncio.Event()
        self._causes: dict[str, list[str]] = defaultdict(list)
        """By service: verdicts that nobody has been told of."""

    def remember(self) -> list[tuple[Any, ...]]:
        """The verdicts, for JSON."""
        return [(*instance, verdict) for instance, verdict in self._verdicts.items()]

    def follow(self, snapshot: Snapshot) -> Snapshot:
        """Take note of who is there; return the same with the verdicts, and how each is probed."""
        present = {
            e.key: e for e in (*snapshot.endpoints, *(x.endpoint for x in snapshot.excluded)) if e.port
        }
        asked = {_instance(e, how): e for e in present.values() if (how := self._how(e))}
        service = snapshot.service
        self._instances = {i: e for i, e in self._instances.items() if i[0] != service} | asked
        self._verdicts = {i: v for i, v in self._verdicts.items() if i[0] != service or i in asked}
        self._news.set()
        return replace(snapshot, endpoints=tuple(map(self._judged, snapshot.endpoints)))

    async def run(self) -> NoReturn:
        """Ask until cancelled."""
        tasks: dict[Instance, asyncio.Task[None]] = {}
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    for instance in tasks.keys() - self._instances.keys():
                        tasks.pop(instance).cancel()
                    for instance in self._instances.keys() - tasks.keys():
                        attend = self._attend(instance, self._instances[instance])
                        tasks[instance] = group.create_task(attend, name=f"probe {instance}")
                    await self._news.wait()
                    self._news.clear()
        finally:
            await self._probe.close()

    async def _attend(self, instance: Instance, endpoint: Endpoint) -> None:
        """Ask one instance until cancelled: it may have left a moment before that."""
        conduct = ProbeHistory(self._rules, self._verdicts.get(instance))
        interval, how = self._rules.interval, instance[-1]
        await asyncio.sleep(self._rng.random() * interval / FASTER)
        while True:
            endpoint = self._instances.get(instance, endpoint)
            before = self._standing(endpoint)
            answer = await self._probe.ask(endpoint, how)
            # That it accepts a connection proves nothing of what it would say.
            cleared = before is State.SUSPECT or (before in SILENCED and how != TCP)
            if conduct.heard(answer, cleared=cleared) and conduct.verdict and instance in self._instances:
                self._verdicts[instance] = conduct.verdict
                self._tell(endpoint, conduct.verdict)
            changing = conduct.changing or before is State.SUSPECT or before in SILENCED
            pause = interval / FASTER if changing else interval
            await asyncio.sleep(pause * self._rng.uniform(1 - JITTER, 1 + JITTER))

    def _how(self, endpoint: Endpoint) -> str:
        own = endpoint.probe
        return "" if endpoint.status == "maintenance" else self._rules.how if own is None else own

    def _judged(self, endpoint: Endpoint) -> Endpoint:
        how = self._how(endpoint)
        verdict = self._verdicts.get(_instance(endpoint, how))
        return replace(endpoint, probe=how, verdict=verdict) if how else endpoint

    def _tell(self, endpoint: Endpoint, verdict: ProbeVerdict) -> None:
        if not self._causes:
            asyncio.get_running_loop().call_later(GATHER, self._flush)
        words = "passes" if verdict.well else "fails"
        self._causes[endpoint.service].append(f"{endpoint.id or endpoint.authority} {words}")

    def _flush(self) -> None:
        causes, self._causes = self._causes, defaultdict(list)
        for service, words in causes.items():
            more = len(words) - MAX_NAMED
            named = ", ".join(words[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
            self._changed(service, f"probes: {named}")


def _instance(endpoint: Endpoint, how: str) -> Instance:
    return endpoint.service, endpoint.key, endpoint.authority, how

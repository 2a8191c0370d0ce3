"""Keeps a Consul agent's services equal to the containers that run on a Docker engine.

One loop does everything, in order: look at the engine, look at the agent, do what is missing. An event only
wakes it up early. So no event can be missed for longer than a resynchronisation takes, none can overtake
another, and a call that fails is made again, because the difference is still there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from consul import ConsulException

from pylb.clients.consul_agent import ConsulAgent
from pylb.clients.docker import DockerClient, Engine, EngineError
from pylb.containers.stopping import Stopping
from pylb.registry.reconcile import owned, reconcile
from pylb.registry.registrations import Desired, Registration, Report, Rules, desired

RETRY = 1.0
"""Seconds until what failed is tried again."""

log = logging.getLogger("pylb.registrator")


@dataclass(slots=True)
class RegistratorStatus:
    """How the registrator stands, for its health page and metrics."""

    registered: int = 0
    """Entries in Consul that are its own."""
    registrations: int = 0
    """Entries made or replaced, since the start."""
    deregistrations: int = 0
    failures: int = 0
    """Calls that failed, since the start."""
    synchronized: float | None = None
    """When engine and registry last were equal, in monotonic seconds."""
    trouble: str = ""
    """What is wrong now; empty if nothing is."""
    problems: tuple[str, ...] = field(default_factory=tuple)
    """What containers say that cannot be used."""


class Registrator:
    """Runs until its tasks are cancelled; waits for an engine and an agent that are not there yet.

    Args:
        docker: the engine.
        agent: the Consul agent.
        rules: makes the rules, once the engine and the agent's address are known.
        resync: seconds between two looks without an event.
        cleanup: whether entries of containers that are gone are removed.
        stop_signals: whether a container is deregistered once it is told to stop, before it has.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        docker: DockerClient,
        agent: ConsulAgent,
        rules: Callable[[Engine, str], Rules],
        *,
        resync: float = 30.0,
        cleanup: bool = True,
        stop_signals: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.status = RegistratorStatus()
        self._docker = docker
        self._agent = agent
        self._rules = rules
        self._resync = resync
        self._cleanup = cleanup
        self._stop_signals = stop_signals
        self._clock = clock
        self._wake = asyncio.Event()
        self._stopping = Stopping()
        self._engine: Engine | None = None
        self._reported: dict[str, Report] = {}

    async def listen(self) -> None:
        """Follow the engine's events; each wakes up `keep`."""
        heard = time.time()
        while True:
            try:
                async for events in self._docker.events(since=heard):
                    heard = time.time()
                    if self._stop_signals:
                        for event in events:
                            self._stopping.heard(event.action, event.container, event.signal)
                    self._wake.set()
            except EngineError as error:
                log.debug("%s", error)
            self._wake.set()
            await asyncio.sleep(RETRY)

    async def keep(self) -> None:
        """Make engine and registry equal, again and again."""
        while True:
            self._wake.clear()
            pause = self._resync if await self._synchronize() else RETRY
            try:
                async with asyncio.timeout(pause):  # wait_for can lose a cancellation in Python 3.11
                    await self._wake.wait()
            except TimeoutError:
                self._reported.clear()  # a full resynchronisation confirms every check too

    async def _synchronize(self) -> bool:
        """Look at both sides once and do what is missing; return whether they are equal now."""
        try:
            self._engine = self._engine or await self._docker.engine()
            containers = await self._docker.containers()
            rules = self._rules(self._engine, await self._agent.address())
            wanted = desired(containers, rules, self._stopping.among(containers))
            complete = await self._apply(wanted, rules.owner)
        except (EngineError, ConsulException) as error:
            self._engine = None  # it may be another one when it answers again
            self._failed(str(error))
            return False
        self._complain(wanted.problems)
        if complete:
            if self.status.trouble:
                log.info("engine and registry are equal again")
            self.status.trouble = ""
            self.status.synchronized = self._clock()
        return complete

    async def _apply(self, wanted: Desired, owner: str) -> bool:
        present = owned(await self._agent.services(), owner)
        actions = reconcile(wanted, present, cleanup=self._cleanup)
        done = [await self._register(each) for each in actions.register]
        done += [await self._deregister(each) for each in actions.deregister]
        for each in wanted.registrations.values():
            done += [await self._report(report) for report in each.reports]
        self.status.registered = len(wanted.registrations)
        return all(done)

    async def _register(self, registration: Registration) -> bool:
        try:
            await self._agent.register(registration.payload())
        except ConsulException as error:
            self._failed(f"{registration.id} cannot be registered: {error}")
            return False
        self.status.registrations += 1
        self._reported |= {report.check_id: report for report in registration.reports}
        place = registration.definition
        log.info(
            "registered %s as %s at %s:%d", registration.id, place["Name"], place["Address"], place["Port"]
        )
        return True

    async def _deregister(self, service_id: str) -> bool:
        try:
            await self._agent.deregister(service_id)
        except ConsulException as error:
            self._failed(f"{service_id} cannot be deregistered: {error}")
            return False
        self.status.deregistrations += 1
        log.info("deregistered %s", service_id)
        return True

    async def _report(self, report: Report) -> bool:
        if self._reported.get(report.check_id) == report:
            return True
        try:
            await self._agent.update_check(report.check_id, report.status, report.output)
        except ConsulException as error:
            self._failed(f"{report.check_id} cannot be updated: {error}")
            return False
        self._reported[report.check_id] = report
        return True

    def _failed(self, words: str) -> None:
        self.status.failures += 1
        if words != self.status.trouble:
            self.status.trouble = words
            log.warning("%s; trying again", words)

    def _complain(self, problems: tuple[str, ...]) -> None:
        for problem in set(problems) - set(self.status.problems):
            log.warning("%s", problem)
        self.status.problems = problems

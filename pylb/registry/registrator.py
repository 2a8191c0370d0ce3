"""Keeps a Consul agent's services equal to the containers that run on a Docker engine.

One loop does everything, in order: look at the engine, look at the agent, do what is missing. An event only
wakes it up early. So no event can be missed for longer than a resynchronisation takes, none can overtake
another, and a call that fails is made again, because the difference is still there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from consul import ConsulException

from pylb.clients.consul import ConsulUnreachableError
from pylb.clients.consul_agent import ConsulAgent
from pylb.clients.docker import DockerClient, Engine, EngineError, Event
from pylb.clients.inventory import InventoryReader
from pylb.containers.stopping import Stopping
from pylb.registry.place import Rules
from pylb.registry.reconcile import owned, reconcile, without_others
from pylb.registry.registrations import Desired, Registration, Report, confirmation, desired
from pylb.registry.troubles import Troubles

RETRY = 1.0
"""Seconds until what failed is tried again."""
MOST_DOUBLED = 5
"""How often that time is doubled while Consul answers and refuses something, at most up to `resync`."""

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
        resync: seconds between two looks without an event, and until each TTL check is confirmed again.
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
        self._reader = InventoryReader(clock=clock)
        self._engine: Engine | None = None
        self._reported: dict[str, Report] = {}
        """What each TTL check was told last."""
        self._confirm_at = clock() + resync
        self._troubles = Troubles(log)
        self._failed: dict[str, str] = {}
        """What has failed in this look, by subject."""
        self._refused = 0
        """Looks in a row in which Consul refused something."""

    async def listen(self) -> None:
        """Follow the engine's events; each wakes up `keep`."""
        heard = time.time()
        while True:
            try:
                async for events in self._docker.events(since=heard):
                    self._heard(events)
            except Exception as error:  # whatever it is, the next stream may do without it
                log.debug("the engine's events: %s", error)
            heard = time.time()  # what has happened until now, the look that follows finds
            self._wake.set()
            await asyncio.sleep(RETRY)

    def _heard(self, events: Sequence[Event]) -> None:
        if self._stop_signals:
            for event in events:
                self._stopping.heard(event.action, event.container, event.signal)
        self._reader.changed(event.container for event in events)
        self._wake.set()

    async def keep(self) -> None:
        """Make engine and registry equal, again and again."""
        while True:
            self._wake.clear()
            if self._clock() >= self._confirm_at:
                self._reported.clear()  # so that every TTL check is confirmed, however busy the engine is
                self._confirm_at = self._clock() + self._resync
            pause = await self._synchronize()
            try:
                # wait_for can lose a cancellation in Python 3.11
                async with asyncio.timeout(min(pause, max(0.0, self._confirm_at - self._clock()))):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _synchronize(self) -> float:
        """Look at both sides once and do what is missing; return the seconds until the next look."""
        self._failed = {}
        try:
            self._engine = self._engine or await self._docker.engine()
            inventory = await self._reader.read(self._docker)
            rules = self._rules(self._engine, await self._agent.address())
            wanted = desired(
                inventory.containers, rules, self._stopping.among(inventory.containers), inventory.unread
            )
            await self._apply(wanted, rules.owner)
        except (EngineError, ConsulException) as error:
            self._engine = None  # it may be another one when it answers again
            self._failed = {"": str(error)}
            self._refused = 0
        except Exception as error:  # nothing that a container says may end the others' registration
            log.debug("what was raised", exc_info=error)
            self._failed = {"": f"{type(error).__name__}: {error}"}
        self.status.failures += len(self._failed)
        self._troubles.replace(self._failed)
        self.status.trouble = str(self._troubles)
        if not self._failed:
            self._refused = 0
            self.status.synchronized = self._clock()
            return self._resync
        self._refused += 1
        return min(RETRY * (1 << min(self._refused - 1, MOST_DOUBLED)), max(RETRY, self._resync))

    async def _apply(self, wanted: Desired, owner: str) -> None:
        """Do what is missing; what is refused is noted and stops nothing else.

        Raises:
            ConsulException: Consul does not answer.
        """
        services = await self._agent.services()
        wanted = without_others(wanted, services, owner)
        self._complain(wanted.problems)
        present = owned(services, await self._agent.checks(), owner)
        actions = reconcile(wanted, present, cleanup=self._cleanup)
        entries = set(present)
        for registration in actions.register:
            if await self._register(registration):
                entries.add(registration.id)
        for service_id in actions.deregister:
            if await self._deregister(service_id):
                entries.discard(service_id)
        self.status.registered = len(entries)
        for each in wanted.registrations.values():
            if each.id in entries:
                for report in each.reports:
                    await self._report(report)
        for service_id, entry in present.items():
            report = confirmation(service_id, f"container {entry.container} may run; it cannot be read")
            if entry.container in wanted.unread and report.check_id in entry.checks:
                await self._report(report)

    async def _register(self, registration: Registration) -> bool:
        done = await self._attempt(
            self._agent.register(registration.payload()), registration.id, "cannot be registered"
        )
        if done:
            self.status.registrations += 1
            self._reported |= {report.check_id: report for report in registration.reports}
            place = registration.definition
            log.info(
                "registered %s as %s at %s:%d",
                registration.id,
                place["Name"],
                place["Address"],
                place["Port"],
            )
        return done

    async def _deregister(self, service_id: str) -> bool:
        done = await self._attempt(self._agent.deregister(service_id), service_id, "cannot be deregistered")
        if done:
            self.status.deregistrations += 1
            log.info("deregistered %s", service_id)
        return done

    async def _report(self, report: Report) -> None:
        if self._reported.get(report.check_id) == report:
            return
        call = self._agent.update_check(report.check_id, report.status, report.output)
        if await self._attempt(call, report.check_id, "cannot be updated"):
            self._reported[report.check_id] = report

    async def _attempt(self, call: Awaitable[None], subject: str, failure: str) -> bool:
        """Make a call about one entry; return whether Consul accepted it.

        Raises:
            ConsulUnreachableError: Consul does not answer; nor would it to the next call.
        """
        try:
            await call
        except ConsulUnreachableError:
            raise
        except ConsulException as error:
            self._failed[subject] = f"{subject} {failure}: {error}"
            return False
        return True

    def _complain(self, problems: tuple[str, ...]) -> None:
        for problem in set(problems) - set(self.status.problems):
            log.warning("%s", problem)
        self.status.problems = problems

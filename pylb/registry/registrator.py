"""Synchronizes the services of a Consul agent with the containers of a Docker engine.

One loop reads the engine, reads the agent, and makes the calls that are missing, in this order. An event only
starts the next round earlier. A missed event is therefore corrected by the next round, events cannot overtake
each other, and a failed call is repeated because the difference remains.
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
from pylb.registry.failures import Failures
from pylb.registry.place import Rules
from pylb.registry.reconcile import owned, reconcile, without_others
from pylb.registry.registrations import Desired, Registration, Report, confirmation, desired

RETRY = 1.0
"""Seconds until a failed call is retried."""
MAX_DOUBLINGS = 5
"""How often that delay doubles while Consul rejects calls; the delay never exceeds `resync`."""

log = logging.getLogger("pylb.registrator")


@dataclass(slots=True)
class RegistratorStatus:
    """State of the registrator, for `/health` and `/metrics`."""

    registered: int = 0
    """Entries in Consul with its owner mark."""
    registrations: int = 0
    """Entries created or replaced since the start."""
    deregistrations: int = 0
    failures: int = 0
    """Calls that failed since the start."""
    synchronized: float | None = None
    """Time of the last successful synchronization, in monotonic seconds."""
    failure: str = ""
    """Current failures; empty if there are none."""
    problems: tuple[str, ...] = field(default_factory=tuple)
    """Settings of containers that cannot be used."""


class Registrator:
    """Runs until its tasks are cancelled; waits for an engine or an agent that does not answer yet.

    Args:
        docker: client of the engine.
        agent: client of the Consul agent.
        rules: makes the rules from the engine and the agent's address.
        resync: seconds between two rounds without an event, and between two confirmations of each TTL check.
        cleanup: whether to remove entries of containers that are gone.
        stop_signals: whether to deregister a container when it receives its stop signal.
        clock: returns monotonic seconds.
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
        """The last report of each TTL check, by check id."""
        self._confirm_at = clock() + resync
        self._failures = Failures(log)
        self._failed: dict[str, str] = {}
        """Failures of the current round, by subject."""
        self._failed_rounds = 0
        """Consecutive rounds in which Consul rejected a call."""

    async def listen(self) -> None:
        """Read the engine's events; each starts the next round of `keep`."""
        received = time.time()
        while True:
            try:
                async for events in self._docker.events(since=received):
                    self._on_events(events)
            except Exception as error:  # any error ends this stream; the next one may succeed
                log.debug("the engine's events: %s", error)
            received = time.time()  # the round that follows sees the result of all earlier events
            self._wake.set()
            await asyncio.sleep(RETRY)

    def _on_events(self, events: Sequence[Event]) -> None:
        if self._stop_signals:
            for event in events:
                self._stopping.on_event(event.action, event.container, event.signal)
        self._reader.changed(event.container for event in events)
        self._wake.set()

    async def keep(self) -> None:
        """Synchronize the registry with the engine until cancelled."""
        while True:
            self._wake.clear()
            if self._clock() >= self._confirm_at:
                self._reported.clear()  # confirm every TTL check, also when events start rounds all the time
                self._confirm_at = self._clock() + self._resync
            pause = await self._synchronize()
            try:
                # wait_for can lose a cancellation in Python 3.11
                async with asyncio.timeout(min(pause, max(0.0, self._confirm_at - self._clock()))):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _synchronize(self) -> float:
        """Run one round; return the seconds until the next one."""
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
            self._engine = None  # another engine may answer next time
            self._failed = {"": str(error)}
            self._failed_rounds = 0
        except Exception as error:  # no container may prevent the registration of others
            log.debug("unexpected error in a round", exc_info=error)
            self._failed = {"": f"{type(error).__name__}: {error}"}
        self.status.failures += len(self._failed)
        self._failures.replace(self._failed)
        self.status.failure = str(self._failures)
        if not self._failed:
            self._failed_rounds = 0
            self.status.synchronized = self._clock()
            return self._resync
        self._failed_rounds += 1
        return min(RETRY * (1 << min(self._failed_rounds - 1, MAX_DOUBLINGS)), max(RETRY, self._resync))

    async def _apply(self, wanted: Desired, owner: str) -> None:
        """Make the missing calls; a rejected call is recorded and does not stop the others.

        Raises:
            ConsulException: Consul does not answer.
        """
        services = await self._agent.services()
        wanted = without_others(wanted, services, owner)
        self._log_problems(wanted.problems)
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
            report = confirmation(service_id, f"container {entry.container} may run; it cannot be inspected")
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
            ConsulUnreachableError: Consul does not answer; further calls of this round would fail too.
        """
        try:
            await call
        except ConsulUnreachableError:
            raise
        except ConsulException as error:
            self._failed[subject] = f"{subject} {failure}: {error}"
            return False
        return True

    def _log_problems(self, problems: tuple[str, ...]) -> None:
        for problem in set(problems) - set(self.status.problems):
            log.warning("%s", problem)
        self.status.problems = problems

"""The node's agent: the registered services and checks, and the current results of the checks.

The agent writes to the catalog. Like Consul's, it writes a new status immediately, and a new output with the
same status only after minutes, so that outputs that change often do not end blocking queries all the time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import aiohttp

from pylb.registry.embedded.catalog import Catalog, Check
from pylb.registry.embedded.checks import Probe, Runner, TimeToLive, http_attempt, tcp_attempt
from pylb.registry.embedded.definitions import CRITICAL, CheckDefinition, RequestError, Service

NODE_MAINTENANCE = "_node_maintenance"
SERVICE_MAINTENANCE = "_service_maintenance:"
OUTPUT_DELAY = (150.0, 450.0)
"""Range of seconds after which a new output with the same status is written (`check_update_interval`)."""
REAP_INTERVAL = 30.0
MIN_DEREGISTER_AFTER = 60.0
NO_REASON = "Maintenance mode is enabled for this {}, but no reason was provided. This is a default message."


@dataclass(slots=True)
class LocalCheck:
    """A check of this agent with its runner; a maintenance check has none."""

    check: Check
    runner: Runner | None = None
    deregister_after: float = 0.0
    """Seconds as critical after which its service is deregistered; 0 means never."""
    critical_since: float | None = None
    """Time of the event loop's clock; None unless critical."""
    late_output: asyncio.TimerHandle | None = None
    """Timer of the write of the last output; None if the catalog has it."""

    def stop(self) -> None:
        """Stop the runner and the pending write."""
        if self.runner:
            self.runner.stop()
        if self.late_output:
            self.late_output.cancel()


class Agent:
    """Keeps services, checks and maintenance modes, and writes them to the catalog.

    Args:
        catalog: receives every change.
        session: sends the requests of HTTP checks.
    """

    def __init__(self, catalog: Catalog, session: aiohttp.ClientSession) -> None:
        self._catalog = catalog
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._reap_timer = self._loop.call_later(REAP_INTERVAL, self._reap)
        self._services: dict[str, Service] = {}
        self._checks: dict[str, LocalCheck] = {}

    @property
    def services(self) -> dict[str, Service]:
        """The registered services, by id."""
        return self._services

    @property
    def checks(self) -> dict[str, Check]:
        """The registered checks, by id, with their latest outputs."""
        return {check_id: local.check for check_id, local in sorted(self._checks.items())}

    def close(self) -> None:
        """Stop every check."""
        self._reap_timer.cancel()
        for local in self._checks.values():
            local.stop()

    def register_service(
        self, service: Service, checks: Sequence[CheckDefinition], *, replace_checks: bool
    ) -> None:
        """Add or change a service.

        Args:
            service: the instance.
            checks: its checks; a check that exists keeps its status and is restarted.
            replace_checks: whether to remove its other checks.
        """
        self._services[service.id] = service
        for definition in checks:
            self._start(definition)
        kept = {definition.id for definition in checks}
        if replace_checks:
            for check_id in self._checks_of(service.id):
                if check_id not in kept:
                    self.deregister_check(check_id)
        self._catalog.register(service, [self._checks[check_id].check for check_id in sorted(kept)])

    def deregister_service(self, service_id: str) -> None:
        """Remove a service with its checks; no error if it does not exist."""
        for check_id in self._checks_of(service_id):
            self._checks.pop(check_id).stop()
        if self._services.pop(service_id, None):
            self._catalog.deregister_service(service_id)

    def register_check(self, definition: CheckDefinition) -> None:
        """Add or change a check of a service or of the node.

        Raises:
            RequestError: the service does not exist.
        """
        if definition.service_id and definition.service_id not in self._services:
            raise RequestError(f'ServiceID "{definition.service_id}" does not exist', status=500)
        self._start(definition)
        self._catalog.update_check(self._checks[definition.id].check)

    def deregister_check(self, check_id: str) -> None:
        """Remove a check; no error if it does not exist."""
        if local := self._checks.pop(check_id, None):
            local.stop()
            self._catalog.deregister_check(check_id)

    def set_ttl_status(self, check_id: str, status: str, output: str) -> None:
        """Set the status of a TTL check and restart its time to live.

        Raises:
            RequestError: the TTL check does not exist.
        """
        local = self._checks.get(check_id)
        if local is None or not isinstance(local.runner, TimeToLive):
            raise RequestError(f'CheckID "{check_id}" does not have associated TTL', status=500)
        local.runner.set_status(status, output)

    def enter_maintenance(self, service_id: str, reason: str) -> None:
        """Make a service critical, or the whole node if `service_id` is empty, until `leave_maintenance`."""
        check_id = SERVICE_MAINTENANCE + service_id if service_id else NODE_MAINTENANCE
        if check_id in self._checks:
            return
        kind = "service" if service_id else "node"
        definition = CheckDefinition(
            id=check_id,
            name=f"{kind.title()} Maintenance Mode",
            notes=reason or NO_REASON.format(kind),
            service_id=service_id,
        )
        self._checks[check_id] = LocalCheck(self._check(definition, "maintenance"))
        self._catalog.update_check(self._checks[check_id].check)

    def leave_maintenance(self, service_id: str) -> None:
        """End the maintenance of a service, or of the node if `service_id` is empty."""
        self.deregister_check(SERVICE_MAINTENANCE + service_id if service_id else NODE_MAINTENANCE)

    def reap(self, now: float) -> None:
        """Deregister services whose check has been critical for longer than it allows.

        Args:
            now: time of the event loop's clock.
        """
        for local in list(self._checks.values()):
            since = local.critical_since
            if local.deregister_after and since is not None and now - since > local.deregister_after:
                self.deregister_service(local.check.service_id)

    def _reap(self) -> None:
        self.reap(self._loop.time())
        self._reap_timer = self._loop.call_later(REAP_INTERVAL, self._reap)

    def _checks_of(self, service_id: str) -> list[str]:
        return [check_id for check_id, local in self._checks.items() if local.check.service_id == service_id]

    def _check(self, definition: CheckDefinition, kind: str) -> Check:
        service = self._services.get(definition.service_id)
        return Check(
            id=definition.id,
            name=definition.name,
            status=definition.status or CRITICAL,
            notes=definition.notes,
            service_id=definition.service_id,
            service_name=service.name if service else "",
            service_tags=service.tags if service else (),
            type=kind,
        )

    def _start(self, definition: CheckDefinition) -> None:
        """Start a check. It replaces the check with its id and keeps that one's status and output."""
        check = self._check(definition, definition.type)
        critical_since = self._loop.time() if check.status == CRITICAL else None
        if previous := self._checks.get(definition.id):
            previous.stop()
            check = replace(check, status=previous.check.status, output=previous.check.output)
            critical_since = previous.critical_since
        runner = self._runner(definition)
        self._checks[definition.id] = LocalCheck(check, runner, _deregister_after(definition), critical_since)
        runner.start()

    def _runner(self, definition: CheckDefinition) -> Runner:
        def report(status: str, output: str) -> None:
            self._update(definition.id, status, output)

        match definition.type:
            case "ttl":
                return TimeToLive(definition, report)
            case "http":
                return Probe(definition, http_attempt(definition, self._session), report)
            case _:
                return Probe(definition, tcp_attempt(definition), report)

    def _update(self, check_id: str, status: str, output: str) -> None:
        local = self._checks[check_id]
        before, local.check = local.check, replace(local.check, status=status, output=output)
        if status != CRITICAL:
            local.critical_since = None
        elif local.critical_since is None:
            local.critical_since = self._loop.time()
        if status != before.status:
            self._publish(local)
        elif output != before.output and local.late_output is None:
            local.late_output = self._loop.call_later(random.uniform(*OUTPUT_DELAY), self._publish, local)

    def _publish(self, local: LocalCheck) -> None:
        if local.late_output:
            local.late_output.cancel()
            local.late_output = None
        self._catalog.update_check(local.check)


def _deregister_after(definition: CheckDefinition) -> float:
    if not definition.service_id or definition.deregister_after <= 0:
        return 0.0
    return max(definition.deregister_after, MIN_DEREGISTER_AFTER)

"""Registers pylb itself in Consul, with a TTL check that follows `/ready`.

Clients that find pylb through Consul (by DNS, or another pylb) send requests here while the check passes. A
pylb that hangs does not confirm the check, which becomes critical. At a stop the entry is removed before
anything else ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pylb.clients.consul import ConsulError
from pylb.clients.consul_agent import ConsulAgent

TTL = 15.0
"""Seconds without a report after which the check is critical, because pylb hangs or was killed."""
CONFIRM_INTERVAL = 5.0
"""Seconds between two reports of an unchanged status."""
POLL_INTERVAL = 0.5
"""Seconds between two evaluations of the status, and until a failed call is retried."""
DEREGISTER_AFTER = "1m"
"""Time as critical after which Consul removes the entry; the shortest that it accepts."""
LEAVE_TIMEOUT = 2.0
"""Seconds that a stop waits for Consul."""

log = logging.getLogger("pylb.registry")


@dataclass(frozen=True, slots=True)
class Identity:
    """The entry under which pylb is registered."""

    service: str
    host: str
    """Distinguishes this pylb from those on other hosts."""
    port: int
    address: str = ""
    """Address for clients; empty: the address of the agent's node."""

    @property
    def id(self) -> str:
        """Id of the entry; a pylb that replaces this one has the same id and replaces the entry."""
        return f"{self.service}:{self.host}:{self.port}"

    @property
    def check(self) -> str:
        """Id of its check."""
        return f"ready:{self.id}"

    def definition(self, status: str) -> dict[str, Any]:
        """Return the body of the `register` call; `status` is that of the check."""
        return {
            "ID": self.id,
            "Name": self.service,
            "Address": self.address,
            "Port": self.port,
            "Check": {
                "CheckID": self.check,
                "Name": "pylb is ready",
                "TTL": f"{TTL:g}s",
                "Status": status,
                "DeregisterCriticalServiceAfter": DEREGISTER_AFTER,
            },
        }


class SelfRegistration:
    """Keeps the entry and the status of its check up to date until `leave`.

    Args:
        agent: the Consul agent.
        identity: the entry.
        obstacles: returns the reasons for which pylb is not ready, one sentence each; empty if it is.
    """

    def __init__(
        self, agent: ConsulAgent, identity: Identity, obstacles: Callable[[], Sequence[str]]
    ) -> None:
        self.identity = identity
        self._agent = agent
        self._obstacles = obstacles
        self._deregistering = False
        self._call_lock = asyncio.Lock()
        """Serializes calls, so that a report cannot register the entry again while it is removed."""
        self._failure = ""

    async def keep(self) -> None:
        """Register, and report the status when it changes and every `CONFIRM_INTERVAL`."""
        reported: tuple[str, str] | None = None
        confirm_at = 0.0
        now = asyncio.get_running_loop().time
        while not self._deregistering:
            obstacles = self._obstacles()
            status = ("critical", "; ".join(obstacles)) if obstacles else ("passing", "ready")
            if status != reported or now() >= confirm_at:
                accepted = await self._report(*status, registered=reported is not None)
                reported = status if accepted else None
                confirm_at = now() + CONFIRM_INTERVAL
            await asyncio.sleep(POLL_INTERVAL)

    async def leave(self) -> None:
        """Remove the entry, before anything else ends. If Consul does not answer, the check expires."""
        self._deregistering = True
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT), self._call_lock:
                await self._agent.deregister(self.identity.id)
        except (ConsulError, TimeoutError) as error:
            log.warning("%s stays registered until its check expires: %s", self.identity.id, error)
        else:
            log.info("deregistered %s", self.identity.id)

    async def _report(self, status: str, output: str, *, registered: bool) -> bool:
        """Report the status; after a failure (False) the next report registers the entry again."""
        identity = self.identity
        try:
            async with self._call_lock:
                if self._deregistering:
                    return False
                if not registered:
                    await self._agent.register(identity.definition(status))
                    log.info("registered as %s: %s", identity.id, status)
                await self._agent.update_check(identity.check, status, output)
        except ConsulError as error:
            if str(error) != self._failure:
                self._failure = str(error)
                log.warning("cannot report the status of %s to Consul: %s", identity.id, error)
            return False
        self._failure = ""
        return True

"""pylb's own entry in Consul, with a check that says what `/ready` says.

Whoever finds pylb through Consul (by its DNS, or as another pylb does) is sent here while pylb is ready. The
check has a time to live, so it also notices a pylb that hangs; and at a stop the entry goes before anything
else does.
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
"""Seconds that what pylb said last holds: a pylb that hangs or was killed is critical after that."""
CONFIRMED = 5.0
"""Seconds after which it is said again, though nothing has changed."""
LOOKS = 0.5
"""Seconds between two looks whether something has changed, or until what failed is tried again."""
FORGOTTEN = "1m"
"""When Consul removes the entry of a pylb that has said nothing more; its shortest."""
PATIENCE = 2.0
"""Seconds that a stop waits for Consul."""

log = logging.getLogger("pylb.registry")


@dataclass(frozen=True, slots=True)
class Identity:
    """How pylb is found."""

    service: str
    host: str
    """What tells this pylb from those on other hosts."""
    port: int
    address: str = ""
    """Where clients reach it; empty for where the agent's node is."""

    @property
    def id(self) -> str:
        """The same again for the next pylb that takes this one's place, so that it takes over its entry."""
        return f"{self.service}:{self.host}:{self.port}"

    @property
    def check(self) -> str:
        """The id of its check."""
        return f"ready:{self.id}"

    def definition(self, status: str) -> dict[str, Any]:
        """As Consul wants a service registered; `status`: of its check."""
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
                "DeregisterCriticalServiceAfter": FORGOTTEN,
            },
        }


class SelfRegistration:
    """Keeps the entry true until it is told to leave.

    Args:
        agent: where to register.
        identity: as what.
        obstacles: why pylb should be sent no requests, a sentence each; nothing if it should.
    """

    def __init__(
        self, agent: ConsulAgent, identity: Identity, obstacles: Callable[[], Sequence[str]]
    ) -> None:
        self.identity = identity
        self._agent = agent
        self._obstacles = obstacles
        self._leaving = False
        self._one_at_a_time = asyncio.Lock()
        """What is said while the entry is removed must not bring it back."""
        self._trouble = ""

    async def keep(self) -> None:
        """Register, and say how pylb stands: at once when that changes, and now and then."""
        said: tuple[str, str] | None = None
        again = 0.0
        now = asyncio.get_running_loop().time
        while not self._leaving:
            obstacles = self._obstacles()
            stands = ("critical", "; ".join(obstacles)) if obstacles else ("passing", "ready")
            if stands != said or now() >= again:
                said = stands if await self._say(*stands, registered=said is not None) else None
                again = now() + CONFIRMED
            await asyncio.sleep(LOOKS)

    async def leave(self) -> None:
        """Remove the entry, before anything else ends. If Consul is away, the check's time will run out."""
        self._leaving = True
        try:
            async with asyncio.timeout(PATIENCE), self._one_at_a_time:
                await self._agent.deregister(self.identity.id)
        except (ConsulError, TimeoutError) as error:
            log.warning("%s stays registered until its check runs out: %s", self.identity.id, error)
        else:
            log.info("%s is no longer registered", self.identity.id)

    async def _say(self, status: str, output: str, *, registered: bool) -> bool:
        """Tell Consul; an agent that has forgotten the entry is told all of it again at the next look."""
        identity = self.identity
        try:
            async with self._one_at_a_time:
                if self._leaving:
                    return False
                if not registered:
                    await self._agent.register(identity.definition(status))
                    log.info("registered as %s: %s", identity.id, status)
                await self._agent.update_check(identity.check, status, output)
        except ConsulError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                log.warning("cannot tell Consul how %s stands: %s", identity.id, error)
            return False
        self._trouble = ""
        return True

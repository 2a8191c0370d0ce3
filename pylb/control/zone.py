"""The zone of pylb: that of `--zone`, or the one that the registry knows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from pylb.config.sources import AUTO
from pylb.runtime.backoff import Backoff

log = logging.getLogger("pylb.discovery")


class Zone:
    """The zone whose instances are preferred.

    Args:
        given: the value of `--zone`; empty for no preference.
        sleep: waits so many seconds.
    """

    def __init__(self, given: str, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self.name = "" if given == AUTO else given
        """Empty for no preference."""
        self.automatic = given == AUTO
        """Whether the registry knows the zone."""
        self._sleep = sleep

    async def read(self, ask: Callable[[], Awaitable[str]]) -> bool:
        """Read the zone from the registry, until it answers; return whether the zone has changed.

        Args:
            ask: returns the zone; empty if there is none.
        """
        backoff, reported = Backoff(), ""
        while True:
            try:
                found = await ask()
            except Exception as error:  # No answer of the registry ends the task.
                if str(error) != reported:
                    reported = str(error)
                    log.warning("--zone auto: the zone is not known yet: %s", error)
                await self._sleep(backoff.after(error))
            else:
                break
        if found:
            log.info("--zone auto: instances of zone %s are preferred", found)
        else:
            log.warning("--zone auto: no zone is preferred: the node of the agent has no metadata key zone")
        self.name, before = found, self.name
        return found != before

"""Keeps the overrides of operators: each can be revoked, may expire, and is written to the audit log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from math import inf
from time import time
from typing import Any

from pylb.policy.overrides import DECIDED, Action, Override

audit = logging.getLogger("pylb.audit")


class OverrideStore:
    """The overrides in force.

    Args:
        changed: called with a service and the cause after its overrides have changed.
        clock: seconds since the epoch.
    """

    def __init__(self, changed: Callable[[str, str], None], clock: Callable[[], float] = time) -> None:
        self.overrides: dict[int, Override] = {}
        """By id."""
        self._changed = changed
        self._clock = clock
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._count = 0

    def decide(
        self,
        service: str,
        action: Action,
        *,
        backend: str = "",
        weight: int = 0,
        policy: str = "",
        level: str = "",
        reason: str = "",
        seconds: float | None = None,
        client: str = "",
    ) -> Override:
        """Apply an override; it replaces one with the same subject.

        Args:
            service: the service of the pool; empty for all of pylb.
            action: the effect.
            backend: an instance's id or `host:port`; empty for the whole service.
            weight: for `Action.WEIGHT`.
            policy: for `Action.POLICY`.
            level: for `Action.LOG_LEVEL`.
            reason: the operator's text.
            seconds: when it expires; None for never.
            client: the operator's address, for the log.
        """
        self._count += 1
        now = self._clock()
        expires = inf if seconds is None else now + seconds
        made = Override(self._count, service, action, backend, weight, policy, level, reason, now, expires)
        for other in [each for each in self.overrides.values() if made.replaces(each)]:
            self._forget(other.id)
        self._put(made)
        self._announce(made, str(made), client)
        return made

    def revoke(self, number: int, client: str = "") -> Override | None:
        """End an override. Returns None if it does not exist."""
        ended = self._forget(number)
        if ended is not None:
            self._announce(ended, f"end of {replace(ended, reason='')}", client)
        return ended

    def remember(self) -> list[dict[str, Any]]:
        """Return all overrides, for JSON, which has no infinity."""
        return [
            {
                **asdict(each),
                "action": each.action.value,
                "expires": None if each.expires == inf else each.expires,
            }
            for each in self.overrides.values()
        ]

    def resume(self, remembered: Iterable[dict[str, Any]]) -> None:
        """Replace all overrides by those of another store, without a call of `changed`."""
        resumed = [
            Override(
                **{
                    **each,
                    "action": Action(each["action"]),
                    "expires": inf if each["expires"] is None else each["expires"],
                }
            )
            for each in remembered
        ]
        for number in tuple(self.overrides):
            self._forget(number)
        for made in resumed:
            self._put(made)
            self._count = max(self._count, made.id)

    def close(self) -> None:
        """Cancel all timers."""
        for timer in self._timers.values():
            timer.cancel()

    def _put(self, override: Override) -> None:
        self.overrides[override.id] = override
        if override.expires < inf:
            left = max(0.0, override.expires - self._clock())
            loop = asyncio.get_running_loop()
            self._timers[override.id] = loop.call_later(left, self.revoke, override.id, "expired")

    def _forget(self, number: int) -> Override | None:
        timer = self._timers.pop(number, None)
        if timer is not None:
            timer.cancel()
        return self.overrides.pop(number, None)

    def _announce(self, override: Override, what: str, client: str) -> None:
        audit.warning(
            "%s: operator: %s%s", override.service or "pylb", what, f" [{client}]" if client else ""
        )
        self._changed(override.service, f"{DECIDED}{what}")

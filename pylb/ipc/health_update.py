"""What one worker has found out about a backend, for the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from pylb.model import Key
from pylb.policy.backend import Backend, State

HEALTH_UPDATE = "news"
"""The kind of message that carries one."""


@dataclass(frozen=True, slots=True)
class HealthUpdate:
    """Where a backend stands from now on. Times are monotonic seconds, the same for all of a machine."""

    service: str
    key: Key
    authority: str
    state: State
    since: float
    """When it was marked, or when the mark was made that is lifted."""
    until: float
    refused: bool
    """Whether it accepts no connection."""

    @classmethod
    def of(cls, backend: Backend) -> HealthUpdate:
        """What is known here."""
        key, authority = backend.identity
        health = backend.health
        since, until = max(0.0, health.since), max(0.0, health.until)  # JSON knows no infinity.
        return cls(backend.endpoint.service, key, authority, backend.state, since, until, health.refused)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> HealthUpdate:
        """From what JSON made of it."""
        first, second, third = data["key"]
        return cls(**{**data, "key": (first, second, third), "state": State(data["state"])})

    def to_bytes(self) -> bytes:
        """As JSON."""
        return orjson.dumps(self)

    @property
    def subject(self) -> str:
        """Whom it is about: later news of the same takes its place."""
        return f"{self.service} {self.key} {self.authority}"

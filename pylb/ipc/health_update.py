"""A state of a backend that one worker has determined, sent to the other workers through control."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from pylb.model import Key
from pylb.policy.backend import Backend, State

HEALTH_UPDATE = "health"
"""The kind of the message."""


@dataclass(frozen=True, slots=True)
class HealthUpdate:
    """The new state of a backend. Times are monotonic seconds, which all processes of a machine share."""

    service: str
    key: Key
    authority: str
    state: State
    since: float
    """The start of the exclusion, or of the exclusion that ends."""
    until: float
    unreachable: bool
    """Whether no connection to it can be opened."""

    @classmethod
    def of(cls, backend: Backend) -> HealthUpdate:
        """Return the state of a backend of this worker."""
        key, authority = backend.identity
        health = backend.health
        since, until = max(0.0, health.since), max(0.0, health.until)  # JSON has no infinity.
        return cls(backend.endpoint.service, key, authority, backend.state, since, until, health.unreachable)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> HealthUpdate:
        """Decode a parsed JSON object."""
        first, second, third = data["key"]
        return cls(**{**data, "key": (first, second, third), "state": State(data["state"])})

    def to_bytes(self) -> bytes:
        """Encode as JSON."""
        return orjson.dumps(self)

    @property
    def subject(self) -> str:
        """The backend. A later update of the same subject replaces an unsent one."""
        return f"{self.service} {self.key} {self.authority}"

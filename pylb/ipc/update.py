"""The complete state of one service, from control to the workers. A newer update replaces an older one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from pylb.model import PoolState

UPDATE = "update"
"""The kind of the message."""


@dataclass(frozen=True, slots=True)
class Update:
    """The state of one service, and the places of its counters."""

    service: str
    """Empty for requests without a service."""
    slot: int
    """The counters of requests that reach no backend."""
    slots: Mapping[str, int]
    """The counters of each backend, by authority."""
    state: PoolState | None
    """None until the registry has answered."""
    log_level: str = ""
    """The new log level; empty for no change."""

    @property
    def generation(self) -> int:
        """The generation of the state; 0 before the first."""
        return self.state.generation if self.state else 0

    def to_bytes(self) -> bytes:
        """Encode as JSON."""
        return orjson.dumps(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Update:
        """Decode a parsed JSON object."""
        state = data["state"]
        return cls(
            data["service"],
            data["slot"],
            data["slots"],
            None if state is None else PoolState.from_dict(state),
            data["log_level"],
        )

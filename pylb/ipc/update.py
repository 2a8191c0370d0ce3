"""What control tells workers of one service: the whole of it, so that only the newest counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from pylb.model import PoolState

UPDATE = "update"
"""The kind of message that carries one."""


@dataclass(frozen=True, slots=True)
class Update:
    """One service as control knows it."""

    service: str
    """Empty for requests that are for no service."""
    slot: int
    """Where to count requests of the service that reach no backend."""
    slots: Mapping[str, int]
    """Where to count requests that reach one, by its authority."""
    state: PoolState | None
    """None: the registry has not answered yet."""
    log_level: str = ""
    """The least important message to write; empty: as before."""

    @property
    def generation(self) -> int:
        """The generation of the state; 0 before the first."""
        return self.state.generation if self.state else 0

    def to_bytes(self) -> bytes:
        """As JSON."""
        return orjson.dumps(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Update:
        """From what JSON made of it."""
        state = data["state"]
        return cls(
            data["service"],
            data["slot"],
            data["slots"],
            None if state is None else PoolState.from_dict(state),
            data["log_level"],
        )

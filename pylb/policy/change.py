"""The difference between two states of a pool."""

from __future__ import annotations

from dataclasses import dataclass

from pylb.policy.backend import Backend


@dataclass(frozen=True, slots=True)
class Change:
    """What one state changed in a pool. The caller closes the idle connections of `removed`."""

    added: tuple[Backend, ...] = ()
    """New, or returned before they had drained."""
    updated: tuple[Backend, ...] = ()
    removed: tuple[Backend, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.updated or self.removed)

    def __str__(self) -> str:
        marked = [("+", self.added), ("~", self.updated), ("-", self.removed)]
        return " ".join(f"{mark}{b.endpoint.id or b.name}" for mark, backends in marked for b in backends)

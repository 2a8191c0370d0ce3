"""Panic mode: too few backends are healthy, and the pool ignores their failures (`--panic serve`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from pylb.policy.backend import Backend, State
from pylb.policy.rows import BackendRow

Candidate = TypeVar("Candidate", Backend, BackendRow)


def served_in_panic(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """Return the backends that receive requests in panic mode: those that accept connections, or else all.

    Args:
        candidates: the backends of the pool whose weight is above 0.
    """
    return [b for b in candidates if b.state is State.UP or not b.unreachable] or candidates

"""Rounds, in each of which every proxy has its turn, so that a noisy minute hits all alike."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence


def turns(names: Sequence[str], rounds: int, missing: Container[str]) -> Iterator[str]:
    """Who is next: each of them, round after round, without those that are missing by then."""
    for _ in range(rounds):
        for name in names:
            if name not in missing:
                yield name

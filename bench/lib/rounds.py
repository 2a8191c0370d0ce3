"""The order of the rounds: all proxies take turns, so that noise of the machine affects all alike."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence


def interleaved(names: Sequence[str], rounds: int, missing: Container[str]) -> Iterator[str]:
    """Yield each name once per round, without the names that are in `missing` by then."""
    for _ in range(rounds):
        for name in names:
            if name not in missing:
                yield name

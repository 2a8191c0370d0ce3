"""What the scaler did and when: lines of JSON that one process writes and another reads."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Lifetime:
    """An instance's time in the registry, by the clock of the day, in seconds.

    Args:
        instance: its name.
        arrived: when its registration was done.
        left: when its deregistration was done; None while it is registered.
        steady: it is there for the whole test.
    """

    instance: str
    arrived: float
    left: float | None = None
    steady: bool = False


def write(lifetime: Lifetime) -> str:
    """One line, written when an instance has arrived, and again when it has left."""
    return json.dumps(asdict(lifetime))


def read(text: str) -> dict[str, Lifetime]:
    """The latest of each instance, by name; a last line that is not complete yet is left out."""
    lines = text[: text.rfind("\n") + 1].splitlines()
    return {lifetime.instance: lifetime for lifetime in (Lifetime(**json.loads(line)) for line in lines)}

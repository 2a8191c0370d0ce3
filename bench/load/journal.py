"""The lifetimes of instances as lines of JSON, written by the scaler and read by the load test."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Lifetime:
    """The time of an instance in the registry, in Unix time.

    Args:
        instance: the name of the instance.
        registered: seconds at which the registering call returned.
        deregistered: seconds at which the deregistering call returned; None while registered.
        permanent: whether it is registered for the whole test.
    """

    instance: str
    registered: float
    deregistered: float | None = None
    permanent: bool = False


def write(lifetime: Lifetime) -> str:
    """One line, written after the registration, and again after the deregistration."""
    return json.dumps(asdict(lifetime))


def read(text: str) -> dict[str, Lifetime]:
    """The latest line of each instance, by name. An incomplete last line is ignored."""
    lines = text[: text.rfind("\n") + 1].splitlines()
    return {lifetime.instance: lifetime for lifetime in (Lifetime(**json.loads(line)) for line in lines)}

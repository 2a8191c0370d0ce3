"""Settings that an instance brings along in its service's meta data: `lb_weight`, and what may follow.

Registrator makes them of the environment or the labels of a container: `SERVICE_LB_WEIGHT=3` becomes the key
`lb_weight`. Each is checked by itself; one that is wrong is reported and ignored, the others hold, and the
instance is served all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MOST_WEIGHT = 1000
"""By which Consul's own weight, at most 65535 by habit, may be multiplied."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an instance wants."""

    weight: int = 1
    """Multiplies the weight that the registry gives it; 0 takes it out of the rotation."""
    problems: tuple[str, ...] = ()
    """What is wrong with those that were ignored, a sentence each."""


def read_settings(meta: Mapping[str, object]) -> Settings:
    """Read the settings among an instance's meta data; the case of a key does not matter."""
    for key, value in meta.items():
        if key.lower() == "lb_weight":
            text = str(value)
            if text.isascii() and text.isdigit() and len(text) <= 4 and int(text) <= MOST_WEIGHT:
                return Settings(int(text))
            problem = f"{key}: expected a whole number from 0 to {MOST_WEIGHT}, got {text[:40]!r}"
            return Settings(problems=(problem,))
    return Settings()

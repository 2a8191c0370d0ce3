"""Settings that an instance brings along in its service's meta data: those of `KINDS`.

Registrator makes them of the environment or the labels of a container: `SERVICE_LB_WEIGHT=3` becomes the key
`lb_weight`. Each is checked by itself; one that is wrong is reported and ignored, the others hold, and the
instance is served all the same. Only what decides about TLS is not ignored: requests would be sent in clear
text, or to whoever has another name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pylb.config.kinds import DURATION_OR_ZERO, FLAG, HOST, PROBE, Kind, integer

MOST_WEIGHT = 1000
"""By which Consul's own weight, at most 65535 by habit, may be multiplied."""

MOST_REQUESTS = 1_000_000
"""On an instance at a time; beyond that it is a slip of the keyboard."""

MAX_QUOTED = 40
"""Characters of a bad value that are quoted."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an instance wants."""

    weight: int = 1
    """Multiplies the weight that the registry gives it; 0 takes it out of the rotation."""
    max_conn: int | None = None
    """How many requests it takes at a time; 0: any number, None: as for all."""
    slow_start: float | None = None
    """Seconds in which it comes to its whole share when it is new; None: as for all."""
    probe: str | None = None
    """How it is to be probed: `tcp`, a path, or empty for not at all; None: as for all."""
    tls: bool | None = None
    """Whether it is connected to by TLS; None: as for all."""
    tls_name: str = ""
    """The name that its certificate must carry; empty: as for all."""
    problems: tuple[str, ...] = ()
    """What is wrong with those that were ignored, a sentence each."""
    unusable: str = ""
    """Why it must get no requests; empty if it may."""


KINDS: dict[str, tuple[str, Kind[Any]]] = {
    "lb_weight": ("weight", integer(0, MOST_WEIGHT)),
    "lb_maxconn": ("max_conn", integer(0, MOST_REQUESTS)),
    "lb_probe": ("probe", PROBE),
    "lb_slowstart": ("slow_start", DURATION_OR_ZERO),
    "lb_tls": ("tls", FLAG),
    "lb_tls_name": ("tls_name", HOST),
}
"""By key: the field of `Settings`, and what the value may be."""

NECESSARY = frozenset({"tls", "tls_name"})
"""Fields without which an instance must get no requests, if they are set to something that is wrong."""


def read_settings(meta: Mapping[str, object], tags: Sequence[str] = ()) -> Settings:
    """Read the settings among an instance's meta data and tags; the case of a key does not matter.

    Args:
        meta: what is said there goes before what tags say.
        tags: those of the form `lb_weight=3` count; `lb_tls` alone is `lb_tls=true`.
    """
    tagged = dict(
        tag.partition("=")[::2] if "=" in tag else (tag, "true") for tag in tags if _is_setting(tag)
    )
    values: dict[str, Any] = {}
    problems = []
    unusable = ""
    for key, value in {**tagged, **meta}.items():
        if key.lower() not in KINDS:
            continue
        field, kind = KINDS[key.lower()]
        try:
            values[field] = kind.parse(str(value))
        except ValueError:
            problem = f"{key}: expected {kind.expected}, got {str(value)[:MAX_QUOTED]!r}"
            problems.append(problem)
            if field in NECESSARY:
                unusable = unusable or problem
    return Settings(**values, problems=tuple(problems), unusable=unusable)


def _is_setting(tag: str) -> bool:
    return "=" in tag or tag.lower() == "lb_tls"

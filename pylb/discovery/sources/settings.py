"""Settings of an instance in the metadata of its registration: those of `KINDS`.

Registrator takes them from the environment or the labels of a container: `SERVICE_LB_WEIGHT=3` becomes the
key `lb_weight`. Each setting is validated alone. An invalid one is reported and ignored, and the instance
stays routable. The protocol and the TLS settings are exceptions: without them, requests would fail, or be
sent in clear text, or to a server with another name. So is an instance with too many tags, of which any may
be such a setting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pylb.config.backends import PROTOCOLS
from pylb.config.kinds import DURATION_OR_ZERO, FLAG, HOST, PROBE, Kind, choice, integer, text

H2C = "h2c"
"""HTTP/2 without TLS, as other programs name it."""

MOST_WEIGHT = 1000
"""Maximum factor of the weight in Consul."""

MOST_PRIORITY = 127
"""The last tier (Envoy has as many)."""

MOST_REQUESTS = 1_000_000
"""Maximum of concurrent requests; a larger number is a mistake."""

MOST_CHARACTERS = 512 * 1024
"""Characters of the tags and the metadata of an instance. Consul has no limit for tags. Those that declare as
many routes as pylb reads have fewer, and each process holds a copy."""

MAX_QUOTED = 40
"""Characters of an invalid value that are quoted."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one instance."""

    weight: int = 1
    """Factor of the weight in the registry; with 0 the instance receives no requests."""
    priority: int = 0
    """The tier of the instance; those with the lowest number receive requests first."""
    zone: str = ""
    """The zone that it runs in; empty if the registration does not name it."""
    max_conn: int | None = None
    """Maximum concurrent requests; 0 for no limit, None for the default of the options."""
    slow_start: float | None = None
    """Seconds of slow start; None for the default of the options."""
    probe: str | None = None
    """The probe: `tcp`, a path, or empty for none; None for the default of the options."""
    tls: bool | None = None
    """Whether connections use TLS; None for the default of the options."""
    tls_name: str = ""
    """The name that its certificate must contain; empty for the default of the options."""
    protocol: str = ""
    """How connections use HTTP: `http1`, `h2` or `auto`; empty for the default of the options."""
    problems: tuple[str, ...] = ()
    """One sentence for each setting that was ignored."""
    unusable: str = ""
    """Why the instance must receive no requests; empty if it may."""


KINDS: dict[str, tuple[str, Kind[Any]]] = {
    "lb_weight": ("weight", integer(0, MOST_WEIGHT)),
    "lb_max_conn": ("max_conn", integer(0, MOST_REQUESTS)),
    "lb_maxconn": ("max_conn", integer(0, MOST_REQUESTS)),
    "lb_priority": ("priority", integer(0, MOST_PRIORITY)),
    "lb_probe": ("probe", PROBE),
    "lb_protocol": ("protocol", choice(*PROTOCOLS, H2C)),
    "lb_slow_start": ("slow_start", DURATION_OR_ZERO),
    "lb_slowstart": ("slow_start", DURATION_OR_ZERO),
    "lb_tls": ("tls", FLAG),
    "lb_tls_name": ("tls_name", HOST),
    "lb_zone": ("zone", text("NAME", "a zone's name")),
}
"""By key: the field of `Settings`, and the kind of its value."""

NECESSARY = frozenset({"protocol", "tls", "tls_name"})
"""Fields whose invalid values exclude the instance."""


def read_settings(meta: Mapping[str, object], tags: Sequence[str] = ()) -> Settings:
    """Read the settings in the metadata and tags of an instance; the case of a key is ignored.

    Args:
        meta: takes precedence over tags.
        tags: all of them; settings have the form `lb_weight=3`, and `lb_tls` alone means `lb_tls=true`.
    """
    if (characters := _characters(meta, tags)) > MOST_CHARACTERS:
        number = f"{characters} characters of tags and metadata"
        return Settings(unusable=f"{number}, expected at most {MOST_CHARACTERS}")
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
    if values.get("protocol") == H2C:
        values |= {"protocol": "h2", "tls": False}
    return Settings(**values, problems=tuple(problems), unusable=unusable)


def _is_setting(tag: str) -> bool:
    return "=" in tag or tag.lower() == "lb_tls"


def _characters(meta: Mapping[str, object], tags: Sequence[str]) -> int:
    """Return how long the tags and the metadata are, with a separator each."""
    return (
        sum(map(len, tags)) + len(tags) + sum(len(key) + len(str(value)) + 1 for key, value in meta.items())
    )

"""The options that a service or a route may have for itself, by the names of the options.

Options of requests may differ between the routes of a service. Options of the pool and of its connections
hold for the whole service, since all its routes share them. All others concern client connections, which
carry requests of many services, or whole processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from pylb.config.backends import BackendConnections, Balancing, Health
from pylb.config.kinds import DURATION, FILE
from pylb.config.option import Option, options
from pylb.config.options import Options
from pylb.errors import UsageError

Setting = tuple[str, str]
"""The name of an option, with hyphens, and its value as a user types it."""

OF_REQUESTS = frozenset([
    *("connect-timeout", "response-timeout", "body-timeout", "tunnel-timeout"),
    *("retries", "retry-on", "retry-methods", "retry-idempotency-key"),
    *("max-body", "min-body-rate", "hash-on"),
])  # fmt: skip
"""The options that each route may have for itself."""

OF_POOL = frozenset([
    *(each.flag[2:] for group in (Balancing, Health, BackendConnections) for each in options(group)),
    *("retry-budget", "upstream-keepalive"),
]) - OF_REQUESTS - {"sticky-key"}  # fmt: skip
"""The options that a service may have for itself."""

ALIASES: Mapping[str, str] = {"maxconn": "max-conn", "slowstart": "slow-start"}
"""Older names."""

FLOORS: Mapping[str, str] = {"probe-interval": "1s", "probe-timeout": "100ms"}
"""The least values that an instance may declare. Consul has the same limit for the interval of its checks
(`MinInterval`). With a shorter time-out, a busy pylb would remove healthy instances."""

_ALL = {each.flag[2:]: each for each in options(Options)}

SETTABLE = tuple(option for name, option in _ALL.items() if name in OF_REQUESTS | OF_POOL)
"""The options that a service or a route may have for itself, in the order of the manual."""


def canonical(name: str) -> str:
    """Return the name of the option that a setting sets."""
    return ALIASES.get(name, name)


def of_pool(name: str) -> bool:
    """Whether a setting concerns the whole service, and not one route."""
    return canonical(name) in OF_POOL


def comparable(setting: Setting) -> tuple[str, object]:
    """Return a setting by the name of its option and its parsed value: `1s` is `1000ms`."""
    given, value = setting
    name = canonical(given)
    try:
        return name, _find(name).kind.parse(value)
    except ValueError:
        return name, value


def same_value(name: str, one: str, other: str) -> bool:
    """Return whether two texts give a setting the same value."""
    return one == other or comparable((name, one)) == comparable((name, other))


def denial_reason(name: str, value: str) -> str:
    """Return why only the administrator of pylb may give a setting, and no instance; empty if both may."""
    if name in OF_POOL and _ALL[name].kind is FILE:
        return f"{name} names a file of the host of pylb, expected it among pylb's options"
    if name in FLOORS:
        try:
            low = DURATION.parse(value) < DURATION.parse(FLOORS[name])
        except ValueError:
            return ""  # `with_settings` has the reason.
        if low:
            return f"{name}: got {value!r}, expected at least {FLOORS[name]} from an instance"
    return ""


def unknown_reason(name: str) -> str:
    """Return why no service or route may have a setting of this name; empty if it may."""
    try:
        _find(name)
    except ValueError as error:
        return str(error)
    return ""


def with_settings(base: Options, settings: tuple[Setting, ...]) -> Options:
    """Return options with the settings of a service or a route in place of pylb's.

    Args:
        base: the options of pylb.
        settings: names and values; a later one replaces an earlier one of the same name.

    Raises:
        ValueError: a name is unknown or cannot be set here, a value is invalid, or values contradict each
            other; the message is one line.
    """
    return _laid(base, settings) if settings else base


@lru_cache(maxsize=65536)
def _laid(base: Options, settings: tuple[Setting, ...]) -> Options:
    values: dict[str, Any] = {}
    for given, value in settings:
        option = _find(given)
        try:
            values[option.name] = option.kind.parse(value)
        except ValueError:
            raise ValueError(f"{given}: got {value[:200]!r}, expected {option.kind.expected}") from None
    changed = replace(base, **values)
    try:
        changed.check()
    except UsageError as error:
        raise ValueError(str(error)) from None
    return changed


def _find(given: str) -> Option:
    name = canonical(given)
    if name in OF_REQUESTS or name in OF_POOL:
        return _ALL[name]
    if name in _ALL:
        raise ValueError(f"{given} is an option of pylb as a whole, expected one of a service such as policy")
    raise ValueError(f"{given[:200]!r} is no option of a service, expected one such as response-timeout")

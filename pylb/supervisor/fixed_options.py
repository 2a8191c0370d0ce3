"""The options that the supervisor itself goes by: a reload cannot change them, an upgrade can."""

from __future__ import annotations

from collections.abc import Mapping

from pylb.config import Options
from pylb.config.option import in_force

FIXED = (
    *("--listen", "--listen-tls", "--admin", "--workers", "--pid-file"),
    *("--drain-timeout", "--shutdown-delay", "--watchdog-timeout"),
)


def fixed(options: Options) -> dict[str, str]:
    """Their values by flag, as texts."""
    values = in_force(options)
    return {flag: values[flag] for flag in FIXED}


def changed(before: Mapping[str, str], options: Options) -> list[str]:
    """The flags of those that are not as they were; one that another version does not know is."""
    return [flag for flag, value in fixed(options).items() if before.get(flag, value) != value]

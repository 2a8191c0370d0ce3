"""The options of the supervisor itself: an upgrade can change them, a reload cannot."""

from __future__ import annotations

from collections.abc import Mapping

from pylb.config import Options
from pylb.config.option import in_force

FIXED = (
    *("--listen", "--listen-tls", "--admin", "--workers", "--pid-file"),
    *("--drain-timeout", "--shutdown-delay", "--watchdog-timeout"),
)


def fixed(options: Options) -> dict[str, str]:
    """Return their values by flag, as text."""
    values = in_force(options)
    return {flag: values[flag] for flag in FIXED}


def changed(before: Mapping[str, str], options: Options) -> list[str]:
    """Return the flags of the changed options, including those unknown to the running version."""
    return [flag for flag, value in fixed(options).items() if before.get(flag, value) != value]

"""How many processes there are, and how they are spoken to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pylb.config.kinds import DURATION, DURATION_OR_ZERO, FILE, FLAG, PATH, integer, or_auto, or_off
from pylb.config.option import Group, option


@dataclass(frozen=True, kw_only=True)
class Processes(Group):
    """How many processes there are, and how they are spoken to."""

    title: ClassVar = "Processes"

    workers: int | None = option(
        or_auto(integer(1, 256)),
        "auto",
        "How many processes take requests; `auto`: one for each CPU that may be used, a container's limit "
        "included. With 1 there is no other process.",
    )
    cpu_affinity: bool = option(FLAG, "off", "Keep each worker on a CPU of its own.")
    watchdog_timeout: float | None = option(
        or_off(DURATION),
        "10s",
        "Replace a process that has sent no heartbeat for this long; `off` never does.",
    )
    pid_file: str | None = option(
        PATH, None, "Where to write the process id, for `pylb reload`, `pylb upgrade` and `pylb stop`."
    )
    env_file: str | None = option(
        FILE, None, "A file with more PYLB_ variables, one NAME=VALUE per line; a reload reads it again."
    )
    shutdown_delay: float = option(
        DURATION_OR_ZERO,
        "0s",
        "How long to go on as before, but for /ready, once pylb is told to stop: who sends clients here has "
        "to notice first.",
    )

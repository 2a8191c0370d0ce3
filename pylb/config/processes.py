"""Options for processes: their number, supervision and control."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pylb.config.kinds import DURATION, DURATION_OR_ZERO, FILE, FLAG, PATH, integer, or_auto, or_off
from pylb.config.option import Group, option


@dataclass(frozen=True, kw_only=True)
class Processes(Group):
    """The number of processes, and how they are supervised and controlled."""

    title: ClassVar = "Processes"

    workers: int | None = option(
        or_auto(integer(1, 256)),
        "auto",
        "Number of worker processes; `auto` is one per available CPU, within the CPU limit of a container.",
    )
    cpu_affinity: bool = option(FLAG, "off", "Bind each worker to one CPU.")
    watchdog_timeout: float | None = option(
        or_off(DURATION),
        "10s",
        "Replace a process that has sent no heartbeat for this long; `off` disables the watchdog.",
    )
    pid_file: str | None = option(
        PATH,
        None,
        "File for the process id, which `pylb reload`, `pylb upgrade` and `pylb stop` read. By default, "
        "none is written.",
    )
    env_file: str | None = option(
        FILE, None, "File with additional PYLB_ variables, one NAME=VALUE per line. A reload reads it again."
    )
    shutdown_delay: float = option(
        DURATION_OR_ZERO,
        "0s",
        "On stop, keep serving for this long while /ready answers 503, so that load balancers in front can "
        "remove this pylb first.",
    )

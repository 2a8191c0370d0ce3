"""How many CPUs may be used here: those this process is allowed on, and no more than a container's quota."""

from __future__ import annotations

import os
from math import ceil
from pathlib import Path, PurePosixPath

ROOT = Path("/")


def usable_cpus(root: Path = ROOT) -> int:
    """CPUs that are worth a process each.

    A quota of 1.5 CPUs counts as 2: one process alone could not use it up (the JVM rounds up as well, Go's
    automaxprocs rounds down).

    Args:
        root: the directory that `/proc` and `/sys` are in.
    """
    return max(1, ceil(min(len(os.sched_getaffinity(0)), quota(root))))


def quota(root: Path = ROOT) -> float:
    """The CPUs that this process's control groups allow it, infinite if they set no limit.

    A limit holds for everything below it, so the lowest one from here to the top counts. In a container the
    top is usually the container's own group.
    """
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return float("inf")
    lowest = float("inf")
    for group in groups:
        _, controllers, path = group.split(":", 2)
        mount = "sys/fs/cgroup" if not controllers else "sys/fs/cgroup/cpu"
        if controllers and "cpu" not in controllers.split(","):
            continue
        for part in (PurePosixPath(path), *PurePosixPath(path).parents):
            lowest = min(lowest, _limit(root / mount / str(part).lstrip("/")))
    return lowest


def _limit(group: Path) -> float:
    """The quota of one group by either version of the interface: microseconds of CPU per period."""
    try:
        if (group / "cpu.max").exists():
            allowed, period = (group / "cpu.max").read_text().split()
        else:
            allowed = (group / "cpu.cfs_quota_us").read_text()
            period = (group / "cpu.cfs_period_us").read_text()
        return float("inf") if allowed == "max" or int(allowed) <= 0 else int(allowed) / int(period)
    except (OSError, ValueError):
        return float("inf")

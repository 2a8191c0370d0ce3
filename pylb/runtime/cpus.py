"""The number of usable CPUs: the CPU affinity of this process, limited by the quota of a container."""

from __future__ import annotations

import os
from math import ceil
from pathlib import Path, PurePosixPath

ROOT = Path("/")


def usable_cpus(root: Path = ROOT) -> int:
    """The number of CPUs that justify one process each.

    A quota of 1.5 CPUs counts as 2, because one process could not use all of it (the JVM also rounds up, Go's
    automaxprocs rounds down).

    Args:
        root: the directory that contains `/proc` and `/sys`.
    """
    return max(1, ceil(min(len(os.sched_getaffinity(0)), quota(root))))


def quota(root: Path = ROOT) -> float:
    """The CPU quota of this process's control groups, infinite if they set no limit.

    A limit applies to all groups below it, so the lowest limit from this group to the root is effective. In a
    container the root is usually the group of the container.
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
    """The quota of one group, from cgroup version 1 or 2: microseconds of CPU time per period."""
    try:
        if (group / "cpu.max").exists():
            allowed, period = (group / "cpu.max").read_text().split()
        else:
            allowed = (group / "cpu.cfs_quota_us").read_text()
            period = (group / "cpu.cfs_period_us").read_text()
        return float("inf") if allowed == "max" or int(allowed) <= 0 else int(allowed) / int(period)
    except (OSError, ValueError):
        return float("inf")

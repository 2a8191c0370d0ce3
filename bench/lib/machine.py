"""The machine that a figure was measured on, and which of its cores does what."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cores:
    """The proxy has a core of its own, so that its cost is not mixed with that of the load."""

    proxy: tuple[int, ...]
    load: tuple[int, ...]

    @classmethod
    def split(cls) -> Cores:
        """Last usable core for the proxy (interrupts tend to land on the first), the others for the load."""
        usable = sorted(os.sched_getaffinity(0))
        return cls(proxy=tuple(usable[-1:]), load=tuple(usable[:-1] or usable))

    def step_aside(self) -> None:
        """Keep this process, which only waits and draws progress bars, off the proxy's core."""
        os.sched_setaffinity(0, self.load)


@dataclass(frozen=True)
class Machine:
    """What a reader needs to compare the figures with those of another machine."""

    cpu: str
    cores: int
    memory_gib: float
    kernel: str
    python: str
    load_average: float
    """Runnable tasks in the last minute, before the benchmark began: what else kept the machine busy."""

    @classmethod
    def this(cls) -> Machine:
        """Describe the machine that we run on."""
        return cls(
            cpu=_cpu_model(),
            cores=len(os.sched_getaffinity(0)),
            memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            kernel=platform.release(),
            python=platform.python_version(),
            load_average=round(os.getloadavg()[0], 2),
        )

    def __str__(self) -> str:
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory_gib} GiB, Linux {self.kernel}, "
            f"Python {self.python}, load average {self.load_average} before the run"
        )


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()

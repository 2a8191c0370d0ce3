"""The machine that runs a measurement, and how its CPU cores are divided."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cores:
    """The CPU cores of the proxy and those of the load. The proxy has a separate core."""

    proxy: tuple[int, ...]
    load: tuple[int, ...]

    @classmethod
    def split(cls) -> Cores:
        """The last usable core for the proxy (interrupts tend to use the first), the others for the load.

        On a machine with one core, both share it.
        """
        usable = sorted(os.sched_getaffinity(0))
        return cls(proxy=tuple(usable[-1:]), load=tuple(usable[:-1] or usable))

    def leave_proxy_core(self) -> None:
        """Move this process, which waits and draws progress bars, to the cores of the load."""
        os.sched_setaffinity(0, self.load)


@dataclass(frozen=True)
class Machine:
    """What affects the figures of a run: hardware, kernel, interpreter and other load."""

    cpu: str
    cores: int
    memory_gib: float
    kernel: str
    python: str
    load_average: float
    """Load average of the minute before the run."""

    @classmethod
    def this(cls) -> Machine:
        """The machine that runs this process."""
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

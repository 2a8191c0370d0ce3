"""Which processes a balancer consists of, and since when: a restart or a reload makes others of them."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass

import psutil


class WitnessError(Exception):
    """What should be watched is not there."""


@dataclass(frozen=True)
class ProcessWatch:
    """Looks at a balancer on this machine, at a pylb anywhere, at both or at neither.

    Args:
        pid: the balancer's first process; all its descendants belong to it. 0 if it is not to be looked at.
        admin: the URL of pylb's admin server; empty if it is not to be looked at.
    """

    pid: int = 0
    admin: str = ""

    def processes(self) -> frozenset[str]:
        """Pid and start time of each process; name, pid and generation of each of pylb's workers.

        Raises:
            WitnessError: nothing is there.
        """
        return frozenset({*self._family(), *self._workers()})

    def _family(self) -> set[str]:
        if not self.pid:
            return set()
        try:
            first = psutil.Process(self.pid)
            family = [first, *first.children(recursive=True)]
            return {f"pid {each.pid}, started at {each.create_time():.2f}" for each in family}
        except psutil.NoSuchProcess as error:
            raise WitnessError(f"process {error.pid} is not there") from None

    def _workers(self) -> set[str]:
        if not self.admin:
            return set()
        url = f"{self.admin.rstrip('/')}/api/workers"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                workers = json.load(answer)
            return {f"{each['name']}, pid {each['pid']}, generation {each['generation']}" for each in workers}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WitnessError(f"{url} does not tell of workers: {error}") from None

"""The processes of a balancer and their start times, which show restarts and reloads."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass

import psutil


class ProcessWatchError(Exception):
    """A process or API that should be watched does not exist."""


@dataclass(frozen=True)
class ProcessWatch:
    """Lists the processes of a balancer on this machine, of a pylb anywhere, of both, or of neither.

    Args:
        pid: the balancer's first process, whose descendants belong to it; 0 for none.
        admin: the URL of pylb's admin API; empty for none.
    """

    pid: int = 0
    admin: str = ""

    def processes(self) -> frozenset[str]:
        """Pid and start time of each process; name, pid and generation of each of pylb's workers.

        Raises:
            ProcessWatchError: the process or the API does not exist.
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
            raise ProcessWatchError(f"process {error.pid} does not exist") from None

    def _workers(self) -> set[str]:
        if not self.admin:
            return set()
        url = f"{self.admin.rstrip('/')}/api/workers"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                workers = json.load(answer)
            return {f"{each['name']}, pid {each['pid']}, generation {each['generation']}" for each in workers}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ProcessWatchError(f"{url} does not list workers: {error}") from None

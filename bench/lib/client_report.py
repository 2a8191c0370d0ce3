"""What checking clients saw, for whoever started them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from bench.lib.repository import REPOSITORY


@dataclass(frozen=True)
class ClientReport:
    """Counts of what happened to their requests and connections."""

    answers: int = 0
    """With status 200, and whole."""
    refusals: int = 0
    """Whole answers with another status."""
    refused: int = 0
    """Connections that could not be opened."""
    reset: int = 0
    """Connections that were reset."""
    cut: int = 0
    """Connections that ended while an answer was due, or in the middle of it."""
    late: int = 0
    """Answers that took longer than the clients' patience."""
    slow: int = 0
    """Answers, of whatever status, that took longer than 1 s."""
    unannounced: int = 0
    """Connections that ended between two requests without an announcement."""
    announced: int = 0
    """Connections that ended as they should: a complete answer had said `Connection: close`."""
    longest: float = 0.0
    """Seconds that the slowest answer took."""
    troubles: Sequence[tuple[float, str]] = ()
    """When each request failed or was slow, by the monotonic clock, and which of the names above it was."""

    @property
    def lost(self) -> int:
        """Requests that got no answer, or not all of it."""
        return self.reset + self.cut + self.late


class CheckingProcess:
    """Clients that check, at work until `finish`.

    Args:
        port: where they ask.
        connections: how many they are.
        cores: where they run.
        patience: seconds after which an answer is late.
    """

    def __init__(self, port: int, connections: int, cores: Sequence[int], patience: float = 10.0) -> None:
        self._process = subprocess.Popen(
            [
                *("taskset", "--cpu-list", ",".join(map(str, cores))),
                *(sys.executable, "-m", "bench.lib.checking_clients"),
                *map(str, (port, connections, patience)),
            ],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def finish(self) -> ClientReport:
        """Let them end, and read what they saw."""
        try:
            self._process.terminate()
            report, _ = self._process.communicate()
        finally:
            self._process.kill()
        return ClientReport(**json.loads(report))

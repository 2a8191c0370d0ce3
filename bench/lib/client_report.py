"""What checking clients recorded, and the process that runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from bench.lib.repository import REPOSITORY


@dataclass(frozen=True)
class ClientReport:
    """Counts of the results of all requests and connections."""

    answers: int = 0
    """Complete responses with status 200."""
    bad_status: int = 0
    """Complete responses with another status."""
    refused: int = 0
    """Connections that could not be opened."""
    reset: int = 0
    """Connections that were reset."""
    truncated: int = 0
    """Connections that the server closed before the end of a response."""
    timed_out: int = 0
    """Requests without a complete response within the clients' timeout."""
    slow: int = 0
    """Responses of any status that took longer than 1 s."""
    closed_unannounced: int = 0
    """Connections that the server closed between two requests without `Connection: close`."""
    closed_announced: int = 0
    """Connections that the server closed after a complete response with `Connection: close`."""
    slowest: float = 0.0
    """Seconds that the slowest response took."""
    troubles: Sequence[tuple[float, str]] = ()
    """Monotonic time of each failed or slow request, and the name of the field that counts it."""

    @property
    def lost(self) -> int:
        """Requests without a complete response."""
        return self.reset + self.truncated + self.timed_out


class CheckingProcess:
    """Checking clients in a process of their own, which run until `finish`.

    Args:
        port: the server's port on 127.0.0.1.
        connections: the number of clients.
        cores: the CPU cores of the process.
        timeout: seconds after which a client gives up a request.
    """

    def __init__(self, port: int, connections: int, cores: Sequence[int], timeout: float = 10.0) -> None:
        self._process = subprocess.Popen(
            [
                *("taskset", "--cpu-list", ",".join(map(str, cores))),
                *(sys.executable, "-m", "bench.lib.checking_clients"),
                *map(str, (port, connections, timeout)),
            ],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def finish(self) -> ClientReport:
        """Stop the clients and return what they recorded."""
        try:
            self._process.terminate()
            report, _ = self._process.communicate()
        finally:
            self._process.kill()
        return ClientReport(**json.loads(report))

"""Reads an access log as a workload: arrival times and service times of requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from pylb.errors import UsageError

SHORTEST = 1e-6
"""Seconds; replaces 0 in the log, which has a resolution of a microsecond."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Requests in the order of their arrival."""

    arrivals: tuple[float, ...]
    """Seconds after the first request."""
    services: tuple[float, ...]
    """Seconds from the start of the last attempt to the head of the response."""


def read_recording(path: str) -> Recording:
    """Read an access log of `--access-log json`. Requests without a response are skipped.

    Raises:
        UsageError: the file cannot be read, a line has another format, or no request has a response.
    """
    requests = []
    try:
        with Path(path).open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    request = _request(orjson.loads(line))
                except (ValueError, KeyError, TypeError):
                    expected = "expected a line of pylb's access log in JSON form"
                    raise UsageError(f"--log {path}: line {number}: {expected}") from None
                if request:
                    requests.append(request)
    except OSError as error:
        raise UsageError(f"--log {path}: {error.strerror}") from None
    if not requests:
        raise UsageError(f"--log {path}: expected requests with a response, found none")
    requests.sort()
    first = requests[0][0]
    return Recording(
        tuple(arrival - first for arrival, _ in requests), tuple(service for _, service in requests)
    )


def _request(entry: dict[str, Any]) -> tuple[float, float] | None:
    """Return arrival (seconds since the epoch) and service time of a request; None without a response."""
    ended = datetime.fromisoformat(entry["time"]).timestamp()
    head = entry["attempts"][-1]["head_ms"] if entry["attempts"] else None
    if head is None:
        return None
    return ended - entry["duration_ms"] / 1e3, max(head / 1e3, SHORTEST)

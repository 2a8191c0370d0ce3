"""A recorded access log as the work to simulate: when requests came, and how long instances took for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from pylb.errors import UsageError

SHORTEST = 1e-6
"""Seconds; what a log in thousandths of a millisecond calls nothing."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Requests in the order of their arrival."""

    arrivals: tuple[float, ...]
    """Seconds after the first one."""
    services: tuple[float, ...]
    """Seconds from the start of the last attempt to the head of the answer."""


def read_recording(path: str) -> Recording:
    """Read an access log that `--access-log json` has written; requests without an answer are passed over.

    Raises:
        UsageError: it cannot be read, a line is something else, or nobody was answered.
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
        raise UsageError(f"--log {path}: expected requests that were answered, found none")
    requests.sort()
    first = requests[0][0]
    return Recording(
        tuple(arrival - first for arrival, _ in requests), tuple(service for _, service in requests)
    )


def _request(entry: dict[str, Any]) -> tuple[float, float] | None:
    """When it came, in seconds since the epoch, and how long it took; None if it was never answered."""
    ended = datetime.fromisoformat(entry["time"]).timestamp()
    head = entry["attempts"][-1]["head_ms"] if entry["attempts"] else None
    if head is None:
        return None
    return ended - entry["duration_ms"] / 1e3, max(head / 1e3, SHORTEST)

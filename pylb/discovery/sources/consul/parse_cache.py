"""Reading one answer after the other, without reading twice what is said again.

Each answer of Consul lists all instances of a service, most of them in the very words of the answer before,
and in the same order. What they mean is remembered; and as the endpoints are the same objects then, whoever
compares them later is quick, too.
"""

from __future__ import annotations

from typing import Any

from pylb.discovery.sources.consul.health import Read, Reader, read_instance

REACH = 4
"""How far is looked ahead for the same words: some may have left that stood between."""


class Rereading:
    """Remembers the last answer's instances, and what was read there."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, Read]] = []

    def next(self) -> Reader:
        """What reads the instances of the next answer, in their order."""
        before, self._before = self._before, []
        place = 0

        def read(service: str, item: Any) -> Read:
            nonlocal place
            found = None
            for ahead in range(place, min(place + REACH, len(before))):
                if before[ahead][0] == item:
                    found, place = before[ahead], ahead + 1
                    break
            found = found or (item, read_instance(service, item))
            self._before.append(found)
            return found[1]

        return read

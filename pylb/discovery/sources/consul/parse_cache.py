"""Parses each response of a service, and entries that have not changed only once.

Each response of Consul lists all instances of a service; most entries are identical to those of the response
before, and in the same order. For these the cache returns the same objects again, which makes later
comparisons fast as well.
"""

from __future__ import annotations

from typing import Any

from pylb.discovery.sources.consul.health import Parsed, Parser, parse_instance

LOOK_AHEAD = 4
"""Entries of the last response that are compared: instances between them may have been removed."""


class ParseCache:
    """The entries of the last response, and what they were parsed to."""

    def __init__(self) -> None:
        self._last: list[tuple[Any, Parsed]] = []

    def next(self) -> Parser:
        """Return the parser for the entries of the next response, in their order."""
        last, self._last = self._last, []
        place = 0

        def parse(service: str, item: Any) -> Parsed:
            nonlocal place
            found = None
            for ahead in range(place, min(place + LOOK_AHEAD, len(last))):
                if last[ahead][0] == item:
                    found, place = last[ahead], ahead + 1
                    break
            found = found or (item, parse_instance(service, item))
            self._last.append(found)
            return found[1]

        return parse

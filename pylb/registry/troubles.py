"""What goes wrong at present, by subject: each trouble is logged once for as long as it lasts."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

_NUMBER = re.compile(r"[0-9]+")
"""Ports and times differ in each error message about the same trouble."""


class Troubles:
    """Keeps the current troubles.

    Args:
        log: where new ones are logged.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._current: dict[str, str] = {}

    def replace(self, current: Mapping[str, str]) -> None:
        """Take what goes wrong now in place of what went wrong before, and log what is new.

        Args:
            current: by subject, which is empty for the whole; a sentence each.
        """
        for subject, words in current.items():
            before = self._current.get(subject)
            if before is None or _NUMBER.sub("", before) != _NUMBER.sub("", words):
                self._log.warning("%s; trying again", words)
        if self._current and not current:
            self._log.info("engine and registry are equal again")
        self._current = dict(current)

    def __str__(self) -> str:
        return "; ".join(self._current.values())

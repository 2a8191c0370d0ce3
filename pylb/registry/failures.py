"""The current failures by subject; each is logged once while it lasts."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

_NUMBER = re.compile(r"[0-9]+")
"""Ports and times, which differ between messages about the same failure."""


class Failures:
    """Keeps the current failures.

    Args:
        log: receives each new failure.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._current: dict[str, str] = {}

    def replace(self, current: Mapping[str, str]) -> None:
        """Replace the current failures, and log those that are new.

        Args:
            current: one sentence by subject; the empty subject is the whole synchronization.
        """
        for subject, words in current.items():
            before = self._current.get(subject)
            if before is None or _NUMBER.sub("", before) != _NUMBER.sub("", words):
                self._log.warning("%s; retrying", words)
        if self._current and not current:
            self._log.info("engine and registry are synchronized again")
        self._current = dict(current)

    def __str__(self) -> str:
        return "; ".join(self._current.values())

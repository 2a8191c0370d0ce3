"""Where pylb's own messages go."""

from __future__ import annotations

import logging
import os
import sys


def log_to_stderr(level: str, process: str = "") -> None:
    """One line per message, with time, level and where it comes from.

    Args:
        level: the least important that is written.
        process: which process it is, if there are several.
    """
    where = f"{process} [{os.getpid()}] " if process else ""
    logging.basicConfig(
        level=level.upper(),
        stream=sys.stderr,
        format=f"%(asctime)s %(levelname)-7s {where}%(name)s: %(message)s",
    )


def set_log_level(level: str) -> None:
    """From now on, say more or less."""
    log = logging.getLogger("pylb")
    if logging.getLevelName(log.getEffectiveLevel()) != level.upper():
        log.setLevel(level.upper())
        log.info("log level is %s", level)

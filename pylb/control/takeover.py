"""Continues the overrides and the history of the pylb that is replaced."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pylb.control.control import Control
from pylb.ipc.state_file import StateFile

log = logging.getLogger("pylb")


def take_over(control: Control, state: Sequence[int]) -> None:
    """Read the state file of the pylb that is replaced, and continue from it.

    A file of an incompatible version is ignored with a warning.

    Args:
        control: the control of the new pylb.
        state: the descriptors of the state file; none if there is nothing to take over.
    """
    if not state:
        return
    first, second = state
    try:
        remembered = StateFile((first, second)).read_control()
        if remembered:
            control.take_over(remembered)
    except (LookupError, TypeError, ValueError, AttributeError, OSError) as error:
        log.warning("overrides and history of the replaced pylb cannot be read: %r", error)

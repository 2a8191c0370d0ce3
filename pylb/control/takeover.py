"""What a pylb takes over from the one that it replaces: operators' decisions, and the history of changes."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pylb.control.control import Control
from pylb.ipc.state_file import StateFile

log = logging.getLogger("pylb")


def take_over(control: Control, state: Sequence[int]) -> None:
    """Let control go on from the state file of the pylb that is replaced, as it is now.

    What another version has written in a way that this one cannot read is not guessed at; a warning says so.

    Args:
        control: of the new pylb.
        state: the descriptors of the state file; none if there is nothing to take over.
    """
    if not state:
        return
    first, second = state
    try:
        former = StateFile((first, second)).read_control()
        if former:
            control.take_over(former)
    except (LookupError, TypeError, ValueError, AttributeError, OSError) as error:
        log.warning("operators' decisions and the history of the former pylb cannot be read: %r", error)

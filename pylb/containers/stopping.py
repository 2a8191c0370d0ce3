"""Which containers have been told to stop and have not ended yet: from events, as no inspection shows it.

Whoever sends no more requests from then on loses none: the container finishes its last ones in peace.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence

from pylb.containers.container import Container


class Stopping:
    """Remembers the signals that containers were sent since they started."""

    def __init__(self) -> None:
        self._signals: dict[str, set[str]] = {}

    def heard(self, action: str, container: str, number: str) -> None:
        """Take in one event.

        Args:
            action: the engine's word for it; `kill` is what `docker stop` begins with.
            container: its id.
            number: the signal's, with `kill`.
        """
        if action == "kill":
            self._signals.setdefault(container, set()).add(number)
        elif action in {"start", "die", "destroy"}:
            self._signals.pop(container, None)

    def among(self, containers: Sequence[Container]) -> set[str]:
        """The ids of those that were sent a signal which ends them: their own stop signal, TERM or KILL."""
        ending = {str(int(signal.SIGTERM)), str(int(signal.SIGKILL))}
        return {
            each.id
            for each in containers
            if (ending | {signal_number(each.stop_signal)}) & self._signals.get(each.id, set())
        }


def signal_number(name: str) -> str:
    """`3` for `SIGQUIT`, `QUIT` or `3`; what is not a signal's name here stays as it is."""
    known = signal.Signals.__members__.get(name if name.startswith("SIG") else f"SIG{name}")
    return str(int(known)) if known else name

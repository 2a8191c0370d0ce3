"""Which containers have been told to stop and have not ended yet: from events, as no inspection shows it.

Whoever sends no more requests from then on loses none: the container finishes its last ones in peace.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

from pylb.containers.container import Container

ENDING = frozenset({int(signal.SIGTERM), int(signal.SIGKILL)})
RTMIN, RTMAX = 34, 64
"""Docker's numbers of the real-time signals; the C library of this machine may have others."""
_REAL_TIME = re.compile(r"RT(?:MIN(?:\+([0-9]{1,2}))?|MAX(?:-([0-9]{1,2}))?)")


class Stopping:
    """Remembers the signals that containers were sent since they started."""

    def __init__(self) -> None:
        self._signals: dict[str, set[int]] = {}
        self._started: dict[str, str] = {}
        """When each of those containers was started, as far as it was looked at since the signal."""

    def heard(self, action: str, container: str, number: str) -> None:
        """Take in one event.

        Args:
            action: the engine's word for it; `kill` is what `docker stop` begins with.
            container: its id.
            number: the signal's, or its name, with `kill`.
        """
        if action == "kill":
            self._signals.setdefault(container, set()).add(signal_number(number))
        elif action in {"start", "die", "destroy"}:
            self._forget(container)

    def among(self, containers: Sequence[Container]) -> set[str]:
        """The ids of those that were sent a signal which ends them: their own stop signal, TERM or KILL.

        One that was started again since then, which no event may have told, is none of them.
        """
        for each in containers:
            if each.id in self._signals and self._started.setdefault(each.id, each.started) != each.started:
                self._forget(each.id)
        return {each.id for each in containers if _ending(each) & self._signals.get(each.id, set())}

    def _forget(self, container: str) -> None:
        self._signals.pop(container, None)
        self._started.pop(container, None)


def _ending(container: Container) -> set[int]:
    """The signals that end a container."""
    return {*ENDING, signal_number(container.stop_signal)} - {0}


def signal_number(name: str) -> int:
    """`3` for `SIGQUIT`, `quit` or `3`, `37` for `RTMIN+3`; 0 for what is no signal.

    The spellings are those that Docker takes (moby/sys/signal, `ParseSignal`).
    """
    if re.fullmatch(r"[0-9]{1,3}", name):
        return int(name)
    word = name.upper().removeprefix("SIG")
    if match := _REAL_TIME.fullmatch(word):
        number = RTMAX - int(match[2] or 0) if word.startswith("RTMAX") else RTMIN + int(match[1] or 0)
        return number if RTMIN <= number <= RTMAX else 0
    return int(signal.Signals.__members__.get(f"SIG{word}", 0))

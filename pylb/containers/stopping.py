"""Tracks containers that received a stop signal and have not ended; only events show it, no inspection does.

A client that sends no requests to a container after the signal loses none, because the container can finish
the requests in flight.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

from pylb.containers.container import Container

ENDING = frozenset({int(signal.SIGTERM), int(signal.SIGKILL)})
RTMIN, RTMAX = 34, 64
"""Docker's numbers of the real-time signals; those of this machine's C library can differ."""
_REAL_TIME = re.compile(r"RT(?:MIN(?:\+([0-9]{1,2}))?|MAX(?:-([0-9]{1,2}))?)")


class Stopping:
    """Keeps the signals that each container received since its start."""

    def __init__(self) -> None:
        self._signals: dict[str, set[int]] = {}
        self._started: dict[str, str] = {}
        """Start time of each of these containers, as of the first `among` after the signal."""

    def on_event(self, action: str, container: str, number: str) -> None:
        """Apply one event.

        Args:
            action: the engine's name of the event; `docker stop` starts with `kill`.
            container: the id of the container.
            number: for `kill`, the number or the name of the signal.
        """
        if action == "kill":
            self._signals.setdefault(container, set()).add(signal_number(number))
        elif action in {"start", "die", "destroy"}:
            self._forget(container)

    def among(self, containers: Sequence[Container]) -> set[str]:
        """Return the ids of containers that received their own stop signal, TERM or KILL.

        A container that was started again since then is excluded, even if the event was missed.
        """
        for each in containers:
            if each.id in self._signals and self._started.setdefault(each.id, each.started) != each.started:
                self._forget(each.id)
        return {each.id for each in containers if _ending(each) & self._signals.get(each.id, set())}

    def _forget(self, container: str) -> None:
        self._signals.pop(container, None)
        self._started.pop(container, None)


def _ending(container: Container) -> set[int]:
    """Return the signals that end a container."""
    return {*ENDING, signal_number(container.stop_signal)} - {0}


def signal_number(name: str) -> int:
    """Return the number of a signal: 3 for `SIGQUIT`, `quit` or `3`, 37 for `RTMIN+3`; 0 if it is no signal.

    The spellings are those that Docker accepts (moby/sys/signal, `ParseSignal`).
    """
    if re.fullmatch(r"[0-9]{1,3}", name):
        return int(name)
    word = name.upper().removeprefix("SIG")
    if match := _REAL_TIME.fullmatch(word):
        number = RTMAX - int(match[2] or 0) if word.startswith("RTMAX") else RTMIN + int(match[1] or 0)
        return number if RTMIN <= number <= RTMAX else 0
    return int(signal.Signals.__members__.get(f"SIG{word}", 0))

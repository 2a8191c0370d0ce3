"""Who has answered: counted where responses arrive, and added up where Locust runs in several processes."""

from __future__ import annotations

from dataclasses import dataclass

Report = dict[str, tuple[int, float, float]]
"""By instance: answers, time of the first and of the last one."""


@dataclass
class Sighting:
    """The answers of one instance; times by the clock of the day, in seconds."""

    answers: int
    first: float
    last: float


class Hits:
    """The answers of all instances."""

    def __init__(self) -> None:
        self.seen: dict[str, Sighting] = {}

    def saw(self, instance: str, now: float) -> None:
        """Count one answer."""
        sighting = self.seen.get(instance)
        if sighting is None:
            self.seen[instance] = Sighting(1, now, now)
        else:
            sighting.answers += 1
            sighting.last = now

    def take(self) -> Report:
        """All that was counted since the last call, to be sent to another process."""
        report = {name: (each.answers, each.first, each.last) for name, each in self.seen.items()}
        self.seen.clear()
        return report

    def add(self, report: Report) -> None:
        """Count what another process has counted."""
        for name, (answers, first, last) in report.items():
            before = self.seen.get(name, Sighting(0, first, last))
            self.seen[name] = Sighting(
                before.answers + answers, min(before.first, first), max(before.last, last)
            )

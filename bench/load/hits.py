"""The responses by instance: counted where they arrive, and added up over Locust's processes."""

from __future__ import annotations

from dataclasses import dataclass

Report = dict[str, tuple[int, float, float]]
"""By instance: the number of responses, and the times of the first and the last one."""


@dataclass
class InstanceHits:
    """The responses of one instance; times are Unix times in seconds."""

    responses: int
    first: float
    last: float


class Hits:
    """The responses of all instances."""

    def __init__(self) -> None:
        self.by_instance: dict[str, InstanceHits] = {}

    def count(self, instance: str, now: float) -> None:
        """Count one response."""
        hit = self.by_instance.get(instance)
        if hit is None:
            self.by_instance[instance] = InstanceHits(1, now, now)
        else:
            hit.responses += 1
            hit.last = now

    def take(self) -> Report:
        """Return and clear the counts since the last call, for another process."""
        report = {name: (each.responses, each.first, each.last) for name, each in self.by_instance.items()}
        self.by_instance.clear()
        return report

    def add(self, report: Report) -> None:
        """Add the counts of another process."""
        for name, (responses, first, last) in report.items():
            before = self.by_instance.get(name, InstanceHits(0, first, last))
            self.by_instance[name] = InstanceHits(
                before.responses + responses, min(before.first, first), max(before.last, last)
            )

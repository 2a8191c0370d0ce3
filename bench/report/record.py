"""The raw figures of one measurement, kept beside the page, and whether they are those that are wanted."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from bench.lib import raw
from bench.lib.machine import Machine


@dataclass(frozen=True)
class Record:
    """One measurement that was made."""

    arguments: list[str]
    """The words after `python -m`."""
    measured: str
    """When it ended, local time."""
    seconds: int
    """What it took."""
    result: dict[str, Any]
    """What the command wrote."""

    @property
    def machine(self) -> Machine:
        """Where it was made."""
        return Machine(**self.result["machine"])

    def answers(self, arguments: list[str], machine: Machine) -> bool:
        """Whether these are the figures of that command on that machine."""
        return self.arguments == arguments and _lasting(self.machine) == _lasting(machine)

    def save(self, path: Path) -> None:
        """Write it; the file is complete, or it is as before."""
        raw.write(path, self)

    @classmethod
    def load(cls, path: Path) -> Record | None:
        """Read it, if it is there."""
        return cls(**orjson.loads(path.read_bytes())) if path.exists() else None


def _lasting(machine: Machine) -> dict[str, object]:
    """What does not change from minute to minute."""
    return asdict(machine) | {"load_average": None}

"""The stored raw figures of one measurement, and whether they match the requested one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from bench.lib import raw
from bench.lib.machine import Machine


@dataclass(frozen=True)
class Record:
    """One completed measurement."""

    arguments: list[str]
    """The words after `python -m`."""
    measured: str
    """Local time of its end."""
    seconds: int
    """Its duration in seconds."""
    result: dict[str, Any]
    """The raw figures that the command wrote."""

    @property
    def machine(self) -> Machine:
        """The machine of the measurement."""
        return Machine(**self.result["machine"])

    def answers(self, arguments: list[str], machine: Machine) -> bool:
        """Whether the figures are of this command and this machine."""
        return self.arguments == arguments and _lasting(self.machine) == _lasting(machine)

    def save(self, path: Path) -> None:
        """Write the record atomically."""
        raw.write(path, self)

    @classmethod
    def load(cls, path: Path) -> Record | None:
        """Read a record; None if it does not exist."""
        return cls(**orjson.loads(path.read_bytes())) if path.exists() else None


def _lasting(machine: Machine) -> dict[str, object]:
    """The properties of a machine that do not vary between runs."""
    return asdict(machine) | {"load_average": None}

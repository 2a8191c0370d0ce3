"""What control knows, kept in memory that outlives it.

A control that was killed finds here which counter belongs to whom, and the generation to go on from. A worker
that starts while there is no control finds here where to send requests.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import orjson

from pylb.ipc.update import Update

HEADER = struct.Struct("<QQI")
"""Sequence number and length of what follows, and a checksum of all three."""
LOOKS = 20
"""How often a reader looks again if a writer overtakes it."""
NOTHING = (0, b"")
"""What an empty file says."""


@dataclass(frozen=True, slots=True)
class State:
    """What the file says."""

    updates: tuple[Update, ...]
    counters: dict[str, Any]
    """See `Counters.remember`."""
    control: dict[str, Any]
    """See `Control.remember`."""


class StateFile:
    """Two files in memory that are written by turns: whenever the writer dies, one of them is whole.

    Args:
        descriptors: of both. Control writes, any process may read.
    """

    def __init__(self, descriptors: tuple[int, int]) -> None:
        self.descriptors = descriptors
        self._written: tuple[int, int, bytes] | None = None
        """Descriptor, sequence number and header of the last write by this process."""

    @classmethod
    def create(cls) -> StateFile:
        """Make an empty one."""
        return cls((os.memfd_create("pylb state a"), os.memfd_create("pylb state b")))

    def write(
        self, updates: Mapping[str, bytes], counters: Mapping[str, Any], control: Mapping[str, Any]
    ) -> None:
        """Replace what is kept.

        Args:
            updates: by service, as `Update.to_bytes` made them.
            counters: see `Counters.remember`.
            control: see `Control.remember`.
        """
        told = [orjson.Fragment(update) for update in updates.values()]
        body = orjson.dumps({"updates": told, "counters": counters, "control": control})
        sequence, older = self._turn()
        header = HEADER.pack(sequence, len(body), crc32(body, sequence))
        whole = os.pwrite(older, header + body, 0) == len(header) + len(body)
        self._written = (older, sequence, header) if whole else None

    def _turn(self) -> tuple[int, int]:
        """The next sequence number, and the descriptor of the file that it belongs into: the older one.

        A file whose header is still that of this writer's last write is whole, so its body is not read.
        """
        if self._written is not None:
            newer, sequence, header = self._written
            (older,) = {*self.descriptors} - {newer}
            if os.pread(newer, HEADER.size, 0) == header and self._sequence(older) < sequence:
                return sequence + 1, older
        contents = [((self._content(each) or NOTHING)[0], each) for each in self.descriptors]
        (_, older), (sequence, _) = sorted(contents)
        return sequence + 1, older

    def read(self) -> State | None:
        """The newest state that is whole; None if none was ever written."""
        data = self._read()
        if data is None:
            return None
        return State(tuple(map(Update.from_dict, data["updates"])), data["counters"], data["control"])

    def read_control(self) -> dict[str, Any] | None:
        """See `Control.remember`; for a process that may be of another version, and needs nothing else."""
        data = self._read()
        control: dict[str, Any] | None = data and data["control"]
        return control

    def _read(self) -> dict[str, Any] | None:
        for _ in range(LOOKS):
            contents = [self._content(each) for each in self.descriptors]
            _, body = max(content or NOTHING for content in contents)
            if None not in contents:
                break
        data: dict[str, Any] | None = orjson.loads(body) if body else None
        return data

    def _sequence(self, descriptor: int) -> int:
        """The sequence number in a header, whether the file is whole or not."""
        header = os.pread(descriptor, HEADER.size, 0).ljust(HEADER.size, b"\0")
        sequence: int = HEADER.unpack(header)[0]
        return sequence

    def _content(self, descriptor: int) -> tuple[int, bytes] | None:
        """Sequence number and body; None if they do not belong together: a writer is at it, or died of it."""
        header = os.pread(descriptor, HEADER.size, 0).ljust(HEADER.size, b"\0")
        sequence, length, checksum = HEADER.unpack(header)
        body = os.pread(descriptor, length, HEADER.size)
        return (sequence, body) if crc32(body, sequence) == checksum else None

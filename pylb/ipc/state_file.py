"""The state of control, in memory that outlives the process.

A new control reads the assignment of the counters and the last generation. A worker that starts without a
control reads the routes and the snapshots.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import orjson

from pylb.ipc.routing_update import RoutingUpdate
from pylb.ipc.update import Update

HEADER = struct.Struct("<QQI")
"""Sequence number, length of the body, and a checksum of the sequence number and the body."""
READS = 20
"""Maximum reads, if a writer changes the file during each."""
EMPTY = (0, b"")
"""The content of an empty file: sequence number and body."""


@dataclass(frozen=True, slots=True)
class State:
    """The content of the file."""

    updates: tuple[Update, ...]
    counters: dict[str, Any]
    """See `Counters.remember`."""
    control: dict[str, Any]
    """See `Control.remember`."""
    routing: RoutingUpdate | None = None
    """All routes, as a complete update; None if control had not published them yet."""


class StateFile:
    """Two files in memory, written alternately: one is complete, even if the writer dies during a write.

    Args:
        descriptors: those of both files. Control writes, any process may read.
    """

    def __init__(self, descriptors: tuple[int, int]) -> None:
        self.descriptors = descriptors
        self._written: tuple[int, int, bytes] | None = None
        """Descriptor, sequence number and header of the last write by this process."""

    @classmethod
    def create(cls) -> StateFile:
        """Create an empty state file."""
        return cls((os.memfd_create("pylb state a"), os.memfd_create("pylb state b")))

    def write(
        self,
        updates: Mapping[str, bytes],
        counters: Mapping[str, Any],
        control: Mapping[str, Any],
        routing: bytes = b"null",
    ) -> None:
        """Replace the state.

        Args:
            updates: by service, as encoded by `Update.to_bytes`.
            counters: see `Counters.remember`.
            control: see `Control.remember`.
            routing: all routes, as encoded by `encode_update`.
        """
        encoded = [orjson.Fragment(update) for update in updates.values()]
        routes = orjson.Fragment(routing)
        body = orjson.dumps({"updates": encoded, "counters": counters, "control": control, "routing": routes})
        sequence, older = self._next()
        header = HEADER.pack(sequence, len(body), crc32(body, sequence))
        complete = os.pwrite(older, header + body, 0) == len(header) + len(body)
        self._written = (older, sequence, header) if complete else None

    def _next(self) -> tuple[int, int]:
        """Return the next sequence number, and the descriptor of the older file.

        If the header of the last write is unchanged, that file is complete, and its body is not read.
        """
        if self._written is not None:
            newer, sequence, header = self._written
            (older,) = {*self.descriptors} - {newer}
            if os.pread(newer, HEADER.size, 0) == header and self._sequence(older) < sequence:
                return sequence + 1, older
        contents = [((self._content(each) or EMPTY)[0], each) for each in self.descriptors]
        (_, older), (sequence, _) = sorted(contents)
        return sequence + 1, older

    def read(self) -> State | None:
        """Return the newest complete state; None if none was ever written."""
        data = self._read()
        if data is None:
            return None
        updates = tuple(map(Update.from_dict, data["updates"]))
        routing = data["routing"] and RoutingUpdate.from_dict(data["routing"])
        return State(updates, data["counters"], data["control"], routing)

    def read_control(self) -> dict[str, Any] | None:
        """Return only the state of `Control.remember`, which other versions of the program can read."""
        data = self._read()
        control: dict[str, Any] | None = data and data["control"]
        return control

    def _read(self) -> dict[str, Any] | None:
        for _ in range(READS):
            contents = [self._content(each) for each in self.descriptors]
            _, body = max(content or EMPTY for content in contents)
            if None not in contents:
                break
        data: dict[str, Any] | None = orjson.loads(body) if body else None
        return data

    def _sequence(self, descriptor: int) -> int:
        """Return the sequence number in a header, also of an incomplete file."""
        header = os.pread(descriptor, HEADER.size, 0).ljust(HEADER.size, b"\0")
        sequence: int = HEADER.unpack(header)[0]
        return sequence

    def _content(self, descriptor: int) -> tuple[int, bytes] | None:
        """Return sequence number and body; None if a write is in progress or was interrupted."""
        header = os.pread(descriptor, HEADER.size, 0).ljust(HEADER.size, b"\0")
        sequence, length, checksum = HEADER.unpack(header)
        body = os.pread(descriptor, length, HEADER.size)
        return (sequence, body) if crc32(body, sequence) == checksum else None

"""The inherited descriptors of a pylb: sockets from systemd, or all state of the pylb that it replaces."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from pylb.config.variables import HANDOVER
from pylb.ipc.supervisor_pipe import SupervisorPipe
from pylb.runtime.sockets import Group

SYSTEMD = "systemd"
"""The key of the sockets that systemd has passed; they replace those of `--listen`."""
FIRST = 3
"""The first descriptor that systemd passes (sd_listen_fds(3))."""
TLS, ADMIN = "tls", "admin"
"""`FileDescriptorName=` of the sockets for TLS clients, and of the socket of the admin server."""


@dataclass(frozen=True, slots=True)
class Handover:
    """Sockets by the configured address, and the connection to a predecessor."""

    plain: Mapping[str, list[Group]] = field(default_factory=dict)
    tls: Mapping[str, list[Group]] = field(default_factory=dict)
    admin: Mapping[str, list[Group]] = field(default_factory=dict)
    supervisor_pipe: socket.socket | None = None
    """To the pylb that this one replaces, which receives a message when this one serves."""
    pid_file: int | None = None
    """Its descriptor, with the lock on it."""
    state: Sequence[int] = ()
    """The descriptors of the predecessor's state file, which holds the overrides of operators."""

    @classmethod
    def take(cls) -> Handover:
        """Return the handover of this process, and remove it from the environment of its children."""
        packed = os.environ.pop(HANDOVER, "")
        if not packed:
            return cls._from_systemd()
        given = orjson.loads(packed)
        return cls(
            _unpacked(given["plain"]),
            _unpacked(given["tls"]),
            _unpacked(given["admin"]),
            _socket(given["supervisor_pipe"]),
            given["pid_file"],
            given.get("state", ()),
        )

    @classmethod
    def _from_systemd(cls) -> Handover:
        environment = [os.environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")]
        pid, number, names = environment
        if pid != str(os.getpid()) or not number.isdigit():
            return cls()
        named = names.split(":") + [""] * int(number)
        plain: dict[str, list[Group]] = {}
        tls: dict[str, list[Group]] = {}
        admin: dict[str, list[Group]] = {}
        kinds = {TLS: tls, ADMIN: admin}
        for place in range(int(number)):
            kinds.get(named[place], plain).setdefault(SYSTEMD, []).append([_socket(FIRST + place)])
        return cls(plain, tls, admin)

    def to_environment(self, supervisor_pipe: int) -> dict[str, str]:
        """Return the variables for a successor; `supervisor_pipe` is the descriptor of its end."""
        given = {
            "plain": _packed(self.plain),
            "tls": _packed(self.tls),
            "admin": _packed(self.admin),
            "supervisor_pipe": supervisor_pipe,
            "pid_file": self.pid_file,
            "state": [*self.state],
        }
        return {HANDOVER: orjson.dumps(given).decode()}

    @property
    def descriptors(self) -> list[int]:
        """All descriptors that the successor inherits, except the supervisor pipe."""
        kinds = (self.plain, self.tls, self.admin)
        groups = [group for kind in kinds for groups in kind.values() for group in groups]
        files = [*self.state, *([self.pid_file] if self.pid_file else [])]
        return [s.fileno() for group in groups for s in group] + files


@dataclass(frozen=True, slots=True)
class Predecessor:
    """The pylb that this one replaces."""

    supervisor_pipe: SupervisorPipe
    state: Sequence[int]
    """The descriptors of its state file."""


def _packed(addresses: Mapping[str, list[Group]]) -> dict[str, list[list[int]]]:
    return {
        address: [[listening.fileno() for listening in group] for group in groups]
        for address, groups in addresses.items()
    }


def _unpacked(addresses: Mapping[str, list[list[int]]]) -> dict[str, list[Group]]:
    return {address: [[*map(_socket, group)] for group in groups] for address, groups in addresses.items()}


def _socket(descriptor: int) -> socket.socket:
    os.set_inheritable(descriptor, False)
    return socket.socket(fileno=descriptor)

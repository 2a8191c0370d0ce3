"""The data that a child process inherits from the supervisor, in one environment variable."""

from __future__ import annotations

import os
import socket
from dataclasses import asdict, dataclass, field

import orjson

from pylb.config.variables import CHILD
from pylb.errors import StartError
from pylb.ipc.shared_memory import SharedMemory
from pylb.ipc.state_file import StateFile

TICKET_KEYS = 80
"""Bytes of the keys for TLS session tickets: the number that OpenSSL requires."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """The inherited data. Descriptors have the same numbers in both processes."""

    name: str
    """The name of the child in logs: `worker 1`, `control`."""
    number: int = 0
    """The number of the worker, from 0."""
    workers: int
    """Number of workers in a generation."""
    generation: int
    row: int
    """The child's row in the shared memory."""
    successor: bool = False
    """Whether this pylb replaces another one that still serves."""
    predecessor: list[int] = field(default_factory=list)
    """The two state files of the replaced pylb."""
    replaces: bool = False
    """Whether this child replaces another one: it prepares, and starts its work after a message of the
    supervisor."""
    listening: list[int] = field(default_factory=list)
    """Listening sockets without TLS, or for the admin endpoint."""
    tls: list[int] = field(default_factory=list)
    """Listening sockets with TLS."""
    supervisor_pipe: int
    """The child's end of the supervisor pipe."""
    control_socket: int
    """The child's end of the control socket."""
    counters: int
    gauges: int
    state: list[int]
    ticket_keys_file: int | None = None
    """A file in memory with the keys for TLS session tickets, which all workers share. The environment does
    not contain the keys, because crash reports and child processes may reveal it."""
    fixed: dict[str, str] = field(default_factory=dict)
    """The options of the supervisor, which a reload cannot change; see `supervisor.fixed_options`."""
    layout: int
    """A number that identifies the supervisor's layout of the shared memory."""

    def to_environment(self) -> dict[str, str]:
        """Return the variables for the child's environment."""
        return {CHILD: orjson.dumps(asdict(self)).decode()}

    @classmethod
    def take(cls) -> Bootstrap:
        """Read the inherited data, and remove it from the environment.

        Raises:
            StartError: there is none, or it was written by another version of the program.
        """
        packed = os.environ.pop(CHILD, "")
        if not packed:
            raise StartError("only a running pylb starts this command; see pylb --help")
        try:
            inherited = cls(**orjson.loads(packed))
        except TypeError:
            raise StartError("the pylb that runs is of another version: upgrade it instead") from None
        for descriptor in inherited.descriptors:
            os.set_inheritable(descriptor, False)
        return inherited

    @property
    def descriptors(self) -> list[int]:
        """All descriptors that must stay open in the child."""
        ticket_keys = [] if self.ticket_keys_file is None else [self.ticket_keys_file]
        memory = [self.counters, self.gauges, *self.state, *self.predecessor]
        return [*self.listening, *self.tls, self.supervisor_pipe, self.control_socket, *memory, *ticket_keys]

    @property
    def memory(self) -> SharedMemory:
        """The shared counters and gauges."""
        return SharedMemory(self.counters, self.gauges, self.workers)

    @property
    def state_file(self) -> StateFile:
        """The state of control."""
        first, second = self.state
        return StateFile((first, second))

    def ticket_keys(self) -> bytes:
        """Return the keys for TLS session tickets. Can be called once."""
        if self.ticket_keys_file is None:
            return b""
        keys = os.pread(self.ticket_keys_file, TICKET_KEYS, 0)
        os.close(self.ticket_keys_file)
        return keys

    def sockets(self) -> tuple[list[socket.socket], list[socket.socket]]:
        """Return the listening sockets without and with TLS. Can be called once."""
        plain, tls = ([socket.socket(fileno=each) for each in kind] for kind in (self.listening, self.tls))
        return plain, tls


def new_ticket_keys() -> int:
    """Create keys for TLS session tickets in a file in memory. Returns its descriptor."""
    descriptor = os.memfd_create("pylb ticket keys")
    os.write(descriptor, os.urandom(TICKET_KEYS))
    return descriptor

"""What a child gets from its supervisor: its place, and descriptors. It travels in one variable."""

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
"""Bytes of the keys for TLS session tickets: as many as OpenSSL wants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """All of it. The numbers are those of descriptors, the same in both processes."""

    name: str
    """What logs call the child: `worker 1`, `control`."""
    number: int = 0
    """Which worker it is, from 0."""
    workers: int
    """How many there are in a generation."""
    generation: int
    row: int
    """Its own in the shared memory."""
    successor: bool = False
    """Whether another pylb still serves, which this one is to replace: there is no hurry, and one must not be
    taken for the other."""
    predecessor: list[int] = field(default_factory=list)
    """Two files in memory: the state of that other pylb."""
    replaces: bool = False
    """Whether another child still does this one's work: it gets everything ready, and begins when it is told
    where pylb stands."""
    listening: list[int] = field(default_factory=list)
    """Sockets."""
    tls: list[int] = field(default_factory=list)
    """Those where clients speak TLS."""
    supervisor_pipe: int
    """To the supervisor: the child tells its states, either side notices when the other is gone."""
    control_socket: int
    """To the mailbox where control and workers meet."""
    counters: int
    gauges: int
    state: list[int]
    tickets: int | None = None
    """A file in memory with the keys for TLS session tickets, which all workers share. The keys themselves
    are not here, as crash reports and child processes may show an environment."""
    fixed: dict[str, str] = field(default_factory=dict)
    """The options by which the supervisor goes, which a reload cannot change; see `supervision.fixed`."""
    layout: int
    """What the supervisor's program makes of the shared memory, as a number to compare."""

    def to_environment(self) -> dict[str, str]:
        """As variables for the child's environment."""
        return {CHILD: orjson.dumps(asdict(self)).decode()}

    @classmethod
    def take(cls) -> Bootstrap:
        """What this process has inherited. Its own children will not.

        Raises:
            StartError: nothing, or something that another version of the program has packed.
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
        """All that must stay open in the child."""
        tickets = [] if self.tickets is None else [self.tickets]
        memory = [self.counters, self.gauges, *self.state, *self.predecessor]
        return [*self.listening, *self.tls, self.supervisor_pipe, self.control_socket, *memory, *tickets]

    @property
    def memory(self) -> SharedMemory:
        """The shared counters and gauges."""
        return SharedMemory(self.counters, self.gauges, self.workers)

    @property
    def state_file(self) -> StateFile:
        """What control knows."""
        first, second = self.state
        return StateFile((first, second))

    def ticket_keys(self) -> bytes:
        """The keys for TLS session tickets; to be read once."""
        if self.tickets is None:
            return b""
        keys = os.pread(self.tickets, TICKET_KEYS, 0)
        os.close(self.tickets)
        return keys

    def sockets(self) -> tuple[list[socket.socket], list[socket.socket]]:
        """The listening ones, without TLS and with it; to be made once."""
        plain, tls = ([socket.socket(fileno=each) for each in kind] for kind in (self.listening, self.tls))
        return plain, tls


def new_ticket_keys() -> int:
    """Make up keys for TLS session tickets; return the descriptor of the file in memory that holds them."""
    descriptor = os.memfd_create("pylb ticket keys")
    os.write(descriptor, os.urandom(TICKET_KEYS))
    return descriptor

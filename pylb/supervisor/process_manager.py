"""The crew: the processes that a supervisor keeps, each in its seat."""

from __future__ import annotations

import contextlib
import heapq
import logging
import os
import socket
from collections.abc import Mapping, Sequence
from math import inf
from time import monotonic

from pylb.ipc.bootstrap import Bootstrap, new_ticket_keys
from pylb.ipc.control_socket import control_socket
from pylb.ipc.shared_memory import SharedMemory
from pylb.ipc.state_file import StateFile
from pylb.ipc.supervisor_pipe import DRAINING, STARTING, SupervisorPipe
from pylb.observe.gauges import HUNG, LOST, PROCESS, RESTARTS
from pylb.observe.shared_counters import LAYOUT
from pylb.supervisor import program
from pylb.supervisor.child import Child
from pylb.supervisor.handover import Handover
from pylb.supervisor.listeners import Listeners
from pylb.supervisor.slot import Slot
from pylb.supervisor.watchdog import PERIOD, Watchdog

log = logging.getLogger("pylb.supervisor")

ABORT = 1.0
"""Seconds that a hung child has to say where it hangs, before it is killed."""

GRACE = 5.0
"""Seconds beyond its own time limit after which a child that should have ended is killed."""


class ProcessManager:
    """Starts children, hears what they say, takes note of their end, and fills empty seats.

    Args:
        listeners: where requests are taken, and by how many processes.
        drain_timeout: seconds that a worker may take to finish what runs.
        watchdog_timeout: seconds without a heartbeat after which a child is hung; None: never.
        fixed: the options that a reload cannot change; see `supervision.fixed`.
        predecessor: the state file of another pylb that still serves, which this one is to replace.
    """

    def __init__(
        self,
        listeners: Listeners,
        *,
        drain_timeout: float,
        watchdog_timeout: float | None = None,
        fixed: Mapping[str, str] | None = None,
        predecessor: Sequence[int] | None = None,
    ) -> None:
        self.generation = 1
        self.refilling = True
        """Whether an empty seat is filled again."""
        self.fatal_reason = ""
        """Why it is no use to go on, once it is not."""
        self.children: dict[int, Child] = {}
        """All that run, by process id, in a seat or not."""
        self.control = Slot("control", "control", 0, listeners.of_control())
        self.workers = [
            Slot("worker", f"worker {number + 1}", number, *listeners.of_worker(number))
            for number in range(listeners.workers)
        ]
        self._drain_timeout = drain_timeout
        self._fixed = dict(fixed or {})
        self._predecessor = predecessor
        self._word = STARTING
        self._memory = SharedMemory.create(listeners.workers)
        self._block = self._memory.block(self._memory.supervisor_row)
        self._watchdog = Watchdog(watchdog_timeout, self._block.heartbeat, monotonic())
        self._rows = list(self._memory.worker_rows)
        self._state = StateFile.create()
        self._tickets = new_ticket_keys()
        self._doors = dict(zip(("control", "worker"), control_socket(), strict=True))

    @property
    def slots(self) -> list[Slot]:
        """All of them."""
        return [self.control, *self.workers]

    @property
    def room(self) -> bool:
        """Whether the memory has a row for one more worker."""
        return bool(self._rows)

    @property
    def state(self) -> Sequence[int]:
        """The descriptors of the state file, where control keeps what it knows."""
        return self._state.descriptors

    def announce(self, word: str) -> None:
        """Tell control, and every control after it, where pylb as a whole stands."""
        self._word = word
        if self.control.child:
            self.control.child.supervisor_pipe.tell(word)

    def reopen_logs(self) -> None:
        """Let every process open its log files anew."""
        for child in self.children.values():
            child.reopen_logs()

    def start(self, slot: Slot, *, replaces: bool = False) -> Child:
        """Start a process that can take a seat; one that relieves another waits to be briefed.

        Raises:
            OSError: the machine has no room for one more process.
        """
        row = heapq.heappop(self._rows) if slot.role == "worker" else self._memory.control_row
        try:
            child = self._execute(slot, slot.role, row, replaces=replaces)
        except OSError:
            self._free(row)
            raise
        child.row = row
        if not replaces:
            self.send_state(child)
        return child

    def send_state(self, child: Child) -> None:
        """Tell a child where pylb as a whole stands."""
        child.supervisor_pipe.tell(self._word)

    def preflight(self, stderr: int) -> Child:
        """Start a process that tries out what control and workers would do, with code and options of now.

        Args:
            stderr: a file for what it prints.
        """
        return self._execute(
            Slot("rehearse", "rehearsal"), "rehearse", self._memory.control_row, stderr=stderr
        )

    def start_successor(self, handover: Handover) -> Child:
        """Start another pylb, which is to take everything over."""
        ours, theirs = socket.socketpair()
        with theirs:
            environment = handover.to_environment(theirs.fileno())
            descriptors = [*handover.descriptors, theirs.fileno()]
            command = program.command("serve", program.arguments())
            return self._launch("the new pylb", command, environment, descriptors, ours)

    def disown(self, child: Child) -> None:
        """Let a child live on without us."""
        del self.children[child.pid]

    def hear(self) -> None:
        """Take note of what the children have said."""
        for child in self.children.values():
            if not child.silent:
                child.hear()
        for slot in self.workers:
            leaving = slot.child
            if leaving and leaving.state == DRAINING and not leaving.expected:
                log.warning("%s (pid %d) ends unasked; another one takes over", slot.name, leaving.pid)
                leaving.expect_end(monotonic() + self._drain_timeout + GRACE)
                slot.left_by(leaving, monotonic())
                self._block.cells(PROCESS)[RESTARTS] += 1

    def reap(self) -> None:
        """Take note of who has ended. As process 1 of a container we are the parent of all orphans, too."""
        with contextlib.suppress(ChildProcessError):
            while ended := os.waitpid(-1, os.WNOHANG):
                pid, status = ended
                if not pid:
                    return
                child = self.children.pop(pid, None)
                if child:
                    child.ended(status)
                    self._reap(child)

    def refill(self) -> None:
        """Start somebody for each empty seat whose time has come."""
        for slot in self.slots:
            empty = slot.child is None and slot.successor is None
            if self.refilling and empty and slot.due <= monotonic() and (slot is self.control or self.room):
                try:
                    slot.child = self.start(slot)
                except OSError as error:
                    pause = slot.not_started(monotonic())
                    log.error("cannot start %s: %s; next try in %g s", slot.name, error.strerror, pause)

    def enforce(self) -> None:
        """Kill who should have ended by now."""
        for child in self.children.values():
            if child.deadline < monotonic():
                log.warning("%s (pid %d) did not end in time and is killed", child.name, child.pid)
                child.kill()
                child.deadline = inf

    def watch(self) -> None:
        """End the children that hang; they are replaced like those that died."""
        watched = [slot.child for slot in self.slots if slot.child and slot.child.deadline == inf]
        now = monotonic()
        for child in self._watchdog.hung(watched, now):
            log.error(
                "%s (pid %d) has sent no heartbeat for %.3g s and is killed",
                child.name,
                child.pid,
                child.silence,
            )
            child.abort(now + ABORT)
            self._block.cells(PROCESS)[HUNG] = int(now * 1000)

    def patience(self, turn: float) -> float | None:
        """Seconds after which something may have to be done although nothing happens; None: never.

        Args:
            turn: how often to look while a child may have to be killed, or started.
        """
        if any(child.deadline < inf for child in self.children.values()) or any(
            slot.child is None for slot in self.slots
        ):
            return turn
        return PERIOD if self._watchdog.enabled else None

    def _execute(
        self, slot: Slot, role: str, row: int, *, replaces: bool = False, stderr: int | None = None
    ) -> Child:
        upgrading = self._predecessor is not None and self._word == STARTING
        ours, theirs = socket.socketpair()
        with theirs:
            bootstrap = Bootstrap(
                name=slot.name,
                number=slot.number,
                workers=len(self.workers),
                generation=self.generation,
                row=row,
                successor=upgrading,
                predecessor=[*(self._predecessor or ())] if upgrading and role == "control" else [],
                replaces=replaces,
                listening=[each.fileno() for each in slot.listening],
                tls=[each.fileno() for each in slot.tls],
                supervisor_pipe=theirs.fileno(),
                control_socket=self._doors["control" if slot is self.control else "worker"].fileno(),
                counters=self._memory.counters,
                gauges=self._memory.gauges,
                state=[*self._state.descriptors],
                tickets=self._tickets if role == "worker" else None,
                layout=LAYOUT,
                fixed=self._fixed,
            )
            command = program.command(role, program.arguments())
            environment = bootstrap.to_environment()
            return self._launch(slot.name, command, environment, bootstrap.descriptors, ours, stderr=stderr)

    def _launch(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        descriptors: Sequence[int],
        supervisor_pipe: socket.socket,
        *,
        stderr: int | None = None,
    ) -> Child:
        try:
            child = Child(
                name, command, environment, descriptors, SupervisorPipe(supervisor_pipe), stderr=stderr
            )
        except OSError:
            supervisor_pipe.close()
            raise
        self.children[child.pid] = child
        return child

    def _reap(self, child: Child) -> None:
        """Settle what a child leaves behind: its row, its requests, its seat."""
        lost = self._free(child.row)
        for each in self.slots:
            if each.successor is child:
                each.successor = None  # Nobody can take over any more.
        slot = next((slot for slot in self.slots if slot.child is child), None)
        if child.expected or slot is None:
            if slot:
                slot.child = None
            return
        pause = slot.left_by(child, monotonic())
        after = f" with {lost} requests in flight" if lost else ""
        then = f"another one starts {f'in {pause:g} s' if pause else 'at once'}"
        if slot.cannot_start(child):
            self.fatal_reason = then = f"{child.name} cannot start"
        log.error("%s (pid %d) %s%s; %s", child.name, child.pid, child.fate, after, then)
        self._block.cells(PROCESS)[RESTARTS] += 1

    def _free(self, row: int | None) -> int:
        """Let another worker have a row, if it is a worker's; return how many requests it had in flight."""
        if row is None or row not in self._memory.worker_rows:
            return 0
        lost = self._block.forget(row)
        self._block.cells(PROCESS)[LOST] += lost
        heapq.heappush(self._rows, row)
        return lost

"""The processes of a supervisor: starts them, receives their states, reaps and replaces them."""

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
"""Seconds in which a hung child may log its stack before it is killed."""
GRACE = 5.0
"""Seconds beyond its own time limit after which a child that should have ended is killed."""


class ProcessManager:
    """Starts children, receives their states, reaps them, and refills empty slots.

    Args:
        listeners: the listening sockets, and the number of workers.
        drain_timeout: seconds that a worker has to finish its requests.
        watchdog_timeout: seconds without a heartbeat after which a child is hung; None: never.
        fixed: the options that a reload cannot change; see `fixed_options.fixed`.
        predecessor: the state file of the pylb that this one replaces.
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
        """Whether empty slots are refilled."""
        self.fatal_reason = ""
        """Reason for giving up; empty while recoverable."""
        self.children: dict[int, Child] = {}
        """All running children by process id, whether or not they have a slot."""
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
        self._shared = self._memory.attach(self._memory.supervisor_row)
        self._watchdog = Watchdog(watchdog_timeout, self._shared.heartbeat, monotonic())
        self._rows = list(self._memory.worker_rows)
        self._state = StateFile.create()
        self._ticket_keys = new_ticket_keys()
        self._control_sockets = control_socket()  # The ends of control and of the workers.

    @property
    def slots(self) -> list[Slot]:
        """The slots of control and the workers."""
        return [self.control, *self.workers]

    @property
    def room(self) -> bool:
        """Whether the memory has a row for one more worker."""
        return bool(self._rows)

    @property
    def state(self) -> Sequence[int]:
        """The descriptors of the state file of control."""
        return self._state.descriptors

    def announce(self, word: str) -> None:
        """Send the state of pylb as a whole to control, and to each later control."""
        self._word = word
        if self.control.child:
            self.control.child.supervisor_pipe.send(word)

    def reopen_logs(self) -> None:
        """Let every process reopen its log files."""
        for child in self.children.values():
            child.reopen_logs()

    def start(self, slot: Slot, *, replaces: bool = False) -> Child:
        """Start a process for a slot; with `replaces`, it waits for `send_state`.

        Raises:
            OSError: the process cannot be started.
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
        """Send a child the state of pylb as a whole."""
        child.supervisor_pipe.send(self._word)

    def preflight(self, stderr: int) -> Child:
        """Start a process that checks the current code and options (`supervisor.preflight`).

        Args:
            stderr: a file for its standard error.
        """
        return self._execute(
            Slot("preflight", "preflight"), "preflight", self._memory.control_row, stderr=stderr
        )

    def start_successor(self, handover: Handover) -> Child:
        """Start another pylb, which replaces this one."""
        ours, theirs = socket.socketpair()
        with theirs:
            environment = handover.to_environment(theirs.fileno())
            descriptors = [*handover.descriptors, theirs.fileno()]
            command = program.command("serve", program.arguments())
            return self._launch("the new pylb", command, environment, descriptors, ours)

    def disown(self, child: Child) -> None:
        """Stop supervising a child."""
        del self.children[child.pid]

    def receive(self) -> None:
        """Read the states that children have sent."""
        for child in self.children.values():
            if not child.silent:
                child.receive()
        for slot in self.workers:
            current = slot.child
            if current and current.state == DRAINING and not current.expected:
                log.warning(
                    "%s (pid %d) drains without a signal; another one replaces it", slot.name, current.pid
                )
                current.expect_end(monotonic() + self._drain_timeout + GRACE)
                slot.on_end(current, monotonic())
                self._shared.counters(PROCESS)[RESTARTS] += 1

    def reap(self) -> None:
        """Reap ended children. Process 1 of a container is also the parent of all orphans."""
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
        """Start a process for each empty slot whose delay is over."""
        for slot in self.slots:
            empty = slot.child is None and slot.successor is None
            if self.refilling and empty and slot.due <= monotonic() and (slot is self.control or self.room):
                try:
                    slot.child = self.start(slot)
                except OSError as error:
                    pause = slot.on_start_failure(monotonic())
                    log.error("cannot start %s: %s; next attempt in %g s", slot.name, error.strerror, pause)

    def enforce(self) -> None:
        """Kill children whose deadline is over."""
        for child in self.children.values():
            if child.deadline < monotonic():
                log.warning("%s (pid %d) did not end in time and is killed", child.name, child.pid)
                child.kill()
                child.deadline = inf

    def watch(self) -> None:
        """Abort hung children; they are replaced like those that died."""
        running = [slot.child for slot in self.slots if slot.child and slot.child.deadline == inf]
        now = monotonic()
        for child in self._watchdog.hung(running, now):
            log.error(
                "%s (pid %d) has sent no heartbeat for %.3g s and is killed",
                child.name,
                child.pid,
                child.silence,
            )
            child.abort(now + ABORT)
            self._shared.counters(PROCESS)[HUNG] = int(now * 1000)

    def poll_timeout(self, interval: float) -> float | None:
        """Seconds after which the supervisor must act without an event; None if never.

        Args:
            interval: seconds between two checks while a child may have to be killed or started.
        """
        if any(child.deadline < inf for child in self.children.values()) or any(
            slot.child is None for slot in self.slots
        ):
            return interval
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
                control_socket=self._control_sockets[role != "control"].fileno(),
                counters=self._memory.counters,
                gauges=self._memory.gauges,
                state=[*self._state.descriptors],
                ticket_keys_file=self._ticket_keys if role == "worker" else None,
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
        """Release the row and the slot of an ended child, and count its lost requests."""
        lost = self._free(child.row)
        for each in self.slots:
            if each.successor is child:
                each.successor = None  # The replacement failed.
        slot = next((slot for slot in self.slots if slot.child is child), None)
        if child.expected or slot is None:
            if slot:
                slot.child = None
            return
        pause = slot.on_end(child, monotonic())
        after = f" with {lost} requests in flight" if lost else ""
        then = f"another one starts {f'in {pause:g} s' if pause else 'immediately'}"
        if slot.cannot_start(child):
            self.fatal_reason = then = f"{child.name} cannot start"
        log.error("%s (pid %d) %s%s; %s", child.name, child.pid, child.fate, after, then)
        self._shared.counters(PROCESS)[RESTARTS] += 1

    def _free(self, row: int | None) -> int:
        """Free the row of a worker; return the number of requests that it had in flight."""
        if row is None or row not in self._memory.worker_rows:
            return 0
        lost = self._shared.forget(row)
        self._shared.counters(PROCESS)[LOST] += lost
        heapq.heappush(self._rows, row)
        return lost

"""Procedures of several steps: each is a generator that yields the condition for which it waits.

The supervisor continues its other work meanwhile, and resumes the procedure when the condition holds.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Generator
from time import monotonic

from pylb.ipc.supervisor_pipe import DRAINING, PREPARED, SERVING, SupervisorPipe
from pylb.supervisor.handover import Handover
from pylb.supervisor.listeners import Listeners
from pylb.supervisor.process_manager import GRACE, ProcessManager

log = logging.getLogger("pylb.supervisor")

START_TIME = 60.0
"""Seconds in which a replacement must become ready."""
IMMEDIATE_END = 1.0
"""Seconds within which processes must end after an immediate stop."""
DEREGISTRATION = 3.0
"""Seconds that control has to deregister pylb."""
LEAVING = "leaving"
PREDECESSOR_ENDED = "predecessor ended"
"""Sent to a successor when the control of this pylb has ended."""
COMPLAINT = "pylb: "
"""Beginning of the line in which a process reports a fatal error."""

Condition = Callable[[], bool]
Steps = Generator[Condition, None, str]
"""Returns its result as text."""


class ProcedureError(Exception):
    """A procedure has failed and has changed nothing; the message is the reason."""


def within(seconds: float, condition: Condition) -> Generator[Condition, None, bool]:
    """Wait for a condition for at most `seconds`; return whether it holds."""
    deadline = monotonic() + seconds
    yield lambda: condition() or monotonic() > deadline
    return condition()


def reload(processes: ProcessManager, drain_timeout: float) -> Steps:
    """Replace control and every worker, with the current code and options, without losing a request.

    The new control has loaded everything before the old one ends, and continues from its last state. A new
    worker listens on the same sockets as the old one, which drains only when the new one is ready. The
    preflight detects errors before anything changes.

    Raises:
        ProcedureError: the new options or the new program cannot be used.
    """
    needs_upgrade = yield from preflight(processes)
    processes.generation += 1
    yield from replace_control(processes)
    for slot in processes.workers:
        if not processes.room:
            log.warning("reload waits: too many workers of earlier generations still drain")
        yield lambda: processes.room
        slot.successor = successor = processes.start(slot)
        ready = yield from within(START_TIME, lambda: successor.serving or not successor.alive)  # noqa: B023
        if not ready or not successor.serving:
            successor.send(signal.SIGKILL)
            slot.successor = None
            raise ProcedureError(
                f"given up: the new {slot.name} was not ready in time; the other processes are unchanged"
            )
        former = slot.promote()
        if former:
            former.send(signal.SIGTERM, monotonic() + drain_timeout + GRACE)
    log.info("generation %d serves", processes.generation)
    if not needs_upgrade:
        return f"generation {processes.generation} serves"
    flags = ", ".join(needs_upgrade)
    log.warning("reload: only an upgrade changes %s", flags)
    return f"generation {processes.generation} serves; only pylb upgrade changes {flags}"


def preflight(processes: ProcessManager) -> Generator[Condition, None, list[str]]:
    """Check the current code and options; return the changed options that need an upgrade.

    Raises:
        ProcedureError: they cannot be used.
    """
    stderr = os.memfd_create("pylb preflight")
    with open(stderr, errors="replace") as printed:
        preflight = processes.preflight(stderr)
        ended = yield from within(START_TIME, lambda: not preflight.alive)
        preflight.kill()
        printed.seek(0)
        text = printed.read()
    sys.stderr.write(text)
    if preflight.code == 0:
        return [word for word in preflight.words if word.startswith("--")]
    complaints = [line.removeprefix(COMPLAINT) for line in text.splitlines() if line.startswith(COMPLAINT)]
    unknown = f"the preflight {preflight.fate}" if ended else f"the preflight took {START_TIME:g} s"
    reason = complaints[-1] if complaints else unknown
    raise ProcedureError(f"refused: {reason}; generation {processes.generation} continues")


def replace_control(processes: ProcessManager) -> Generator[Condition, None, None]:
    """Replace control.

    Raises:
        ProcedureError: the new control did not become ready.
    """
    slot = processes.control
    slot.successor = successor = processes.start(slot, replaces=True)
    yield from within(START_TIME, lambda: successor.state == PREPARED or not successor.alive)
    if not successor.alive or successor.state != PREPARED:
        successor.send(signal.SIGKILL)
        slot.successor = None
        raise ProcedureError("given up: the new control was not ready in time; nothing has changed")
    former = slot.child
    if former:
        former.send(signal.SIGTERM, monotonic() + GRACE)
    yield lambda: slot.child is not former or former is None
    if slot.successor is not successor:
        raise ProcedureError(f"given up: the new control {successor.fate} before its takeover")
    slot.promote()
    processes.send_state(successor)
    if not (yield from within(START_TIME, slot.ready)):
        raise ProcedureError("given up: the new control is not ready; the workers are unchanged")


def upgrade(processes: ProcessManager, handover: Handover) -> Steps:
    """Replace this pylb by a new one on the same sockets.

    Raises:
        ProcedureError: the new pylb does not become ready.
    """
    if os.getpid() == 1:
        raise ProcedureError(
            "refused: pylb is process 1, with which its container would end; reload it instead"
        )
    successor = processes.start_successor(handover)
    yield from within(START_TIME, lambda: successor.serving or not successor.alive)
    if not successor.serving:
        reason = "was not ready in time" if successor.alive else f"{successor.fate}, see its log"
        successor.send(signal.SIGTERM, monotonic() + GRACE)
        raise ProcedureError(f"given up: {successor.name} {reason}; this one continues")
    log.info("process %d has taken over", successor.pid)
    processes.refilling = False
    control = processes.control.child
    if control:
        control.send(signal.SIGTERM, monotonic() + GRACE)
        yield lambda: not control.alive
    # The state file has all overrides; from now on the successor serves the admin port.
    successor.supervisor_pipe.send(PREDECESSOR_ENDED)
    processes.disown(successor)
    return f"process {successor.pid} has taken over"


def take_over(processes: ProcessManager, predecessor: SupervisorPipe) -> Steps:
    """Notify the replaced pylb that this one serves; open the admin port when its control has ended."""
    predecessor.send(SERVING)
    yield from within(2 * GRACE, lambda: predecessor.receive() != [])
    processes.announce(SERVING)
    return ""


def stop(
    processes: ProcessManager, listeners: Listeners, drain_timeout: float, shutdown_delay: float
) -> Steps:
    """Stop in order.

    pylb deregisters, and /ready fails while requests are still served. Then no connection is accepted, and
    requests in flight finish. Control ends last, so that the admin port shows the progress.
    """
    processes.announce(LEAVING)
    # Control reports when it has deregistered.
    yield from within(DEREGISTRATION, lambda: not processes.control.ready())
    yield from within(shutdown_delay, lambda: False)
    processes.announce(DRAINING)
    yield from finish(processes, listeners, drain_timeout)
    log.info("pylb is stopped")
    return ""


def retire(processes: ProcessManager, listeners: Listeners, drain_timeout: float) -> Steps:
    """End after a successor has taken over."""
    yield from finish(processes, listeners, drain_timeout)
    log.info("the former pylb, process %d, has finished", os.getpid())
    return ""


def finish(
    processes: ProcessManager, listeners: Listeners, drain_timeout: float
) -> Generator[Condition, None, None]:
    """Accept no connection, let the workers finish their requests, then end control."""
    processes.refilling = False
    control = processes.control.child
    for child in processes.children.values():
        if child is not control:
            child.send(signal.SIGTERM, monotonic() + drain_timeout + GRACE)
    listeners.close()
    yield lambda: not set(processes.children.values()) - {control}
    if control:
        control.send(signal.SIGTERM, monotonic() + GRACE)
    yield lambda: not processes.children


def stop_at_once(processes: ProcessManager, listeners: Listeners) -> Steps:
    """End immediately and abort requests."""
    processes.refilling = False
    for child in processes.children.values():
        # A process that is not ready does not handle QUIT and would dump core.
        child.send(signal.SIGQUIT if child.served else signal.SIGTERM, monotonic() + IMMEDIATE_END)
    listeners.close()
    yield lambda: not processes.children
    log.info("pylb is stopped")
    return ""

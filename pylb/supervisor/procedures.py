"""What takes several steps: each plan is a generator that yields the condition it waits for.

The supervisor goes on with everything else meanwhile, and with the plan when the condition holds.
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
"""Seconds that a process may take to get ready while another one does its work."""
AT_ONCE = 1.0
"""Seconds that processes have for an end at once."""
GOODBYE = 3.0
"""Seconds that control has to take pylb out of the registry."""
LEAVING = "leaving"
RETIRED = "retired"
"""A predecessor's control has ended."""
COMPLAINT = "pylb: "
"""How the line begins in which a process says why it cannot work."""

Condition = Callable[[], bool]
Steps = Generator[Condition, None, str]
"""Returns its result in words."""


class PlanError(Exception):
    """A plan has failed, and all goes on as it was; the message says why."""


def within(seconds: float, condition: Condition) -> Generator[Condition, None, bool]:
    """Wait for a condition, but no longer than that; whether it holds in the end."""
    deadline = monotonic() + seconds
    yield lambda: condition() or monotonic() > deadline
    return condition()


def reload(processes: ProcessManager, drain_timeout: float) -> Steps:
    """Replace control and every worker by new ones, with the code and the options of now; lose nothing.

    The new control has loaded everything when the old one ends, and goes on from what that one knew last. The
    new worker of a seat listens on the same sockets as the old one, which is told to finish only when the new
    one is ready. What would not work is found out before anything is touched.

    Raises:
        PlanError: the new options or the new program cannot be used.
    """
    needs_upgrade = yield from preflight(processes)
    processes.generation += 1
    yield from replace_control(processes)
    for slot in processes.workers:
        if not processes.room:
            log.warning("reload waits: too many workers of earlier generations still finish their requests")
        yield lambda: processes.room
        slot.successor = successor = processes.start(slot)
        ready = yield from within(START_TIME, lambda: successor.serving or not successor.alive)  # noqa: B023
        if not ready or not successor.serving:
            successor.send(signal.SIGKILL)
            slot.successor = None
            raise PlanError(f"given up: the new {slot.name} did not get ready; the others stay as they are")
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
    """Try out the code and the options of now; return the options that have changed but need an upgrade.

    Raises:
        PlanError: they cannot be used.
    """
    stderr = os.memfd_create("pylb rehearsal")
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
    unknown = f"the rehearsal {preflight.fate}" if ended else f"the rehearsal took {START_TIME:g} s"
    reason = complaints[-1] if complaints else unknown
    raise PlanError(f"refused: {reason}; generation {processes.generation} goes on")


def replace_control(processes: ProcessManager) -> Generator[Condition, None, None]:
    """Let a new control take the seat of the old one.

    Raises:
        PlanError: it did not.
    """
    slot = processes.control
    slot.successor = successor = processes.start(slot, replaces=True)
    yield from within(START_TIME, lambda: successor.state == PREPARED or not successor.alive)
    if not successor.alive or successor.state != PREPARED:
        successor.send(signal.SIGKILL)
        slot.successor = None
        raise PlanError("given up: the new control did not get ready; all stays as it is")
    former = slot.child
    if former:
        former.send(signal.SIGTERM, monotonic() + GRACE)
    yield lambda: slot.child is not former or former is None
    if slot.successor is not successor:
        raise PlanError(f"given up: the new control {successor.fate} before it could begin")
    slot.promote()
    processes.send_state(successor)
    if not (yield from within(START_TIME, slot.ready)):
        raise PlanError("given up: the new control is not ready; the workers stay as they are")


def upgrade(processes: ProcessManager, handover: Handover) -> Steps:
    """Start another pylb on the same sockets.

    Raises:
        PlanError: it does not serve.
    """
    if os.getpid() == 1:
        raise PlanError("refused: pylb is process 1, with which its container would end; reload it instead")
    successor = processes.start_successor(handover)
    yield from within(START_TIME, lambda: successor.serving or not successor.alive)
    if not successor.serving:
        reason = "was not ready in time" if successor.alive else f"{successor.fate}, and its log says why"
        successor.send(signal.SIGTERM, monotonic() + GRACE)
        raise PlanError(f"given up: {successor.name} {reason}; this one goes on")
    log.info("process %d has taken over", successor.pid)
    processes.refilling = False
    control = processes.control.child
    if control:
        control.send(signal.SIGTERM, monotonic() + GRACE)
        yield lambda: not control.alive
    # Nothing is decided here any more: what was is in the state file, and operators are answered there.
    successor.supervisor_pipe.tell(RETIRED)
    processes.disown(successor)
    return f"process {successor.pid} has taken over"


def take_over(processes: ProcessManager, predecessor: SupervisorPipe) -> Steps:
    """Tell the pylb that is replaced that this one serves; answer operators when its control has ended."""
    predecessor.tell(SERVING)
    yield from within(2 * GRACE, lambda: predecessor.hear() != [])
    processes.announce(SERVING)
    return ""


def stop(
    processes: ProcessManager, listeners: Listeners, drain_timeout: float, shutdown_delay: float
) -> Steps:
    """End in the order in which nobody is surprised.

    First pylb leaves the registry, and /ready says no while all goes on; then nothing new is accepted, and
    what runs may finish; control goes last, so that all of it can be watched.
    """
    processes.announce(LEAVING)
    yield from within(GOODBYE, lambda: not processes.control.ready())  # Control says when it has left.
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
    """Accept nothing new, let what runs finish, and then control."""
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
    """End without regard for what runs."""
    processes.refilling = False
    for child in processes.children.values():
        # Who is not ready yet does not know QUIT, and would leave a core dump.
        child.send(signal.SIGQUIT if child.served else signal.SIGTERM, monotonic() + AT_ONCE)
    listeners.close()
    yield lambda: not processes.children
    log.info("pylb is stopped")
    return ""

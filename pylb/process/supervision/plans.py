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

from pylb.process.ipc.lifeline import Lifeline
from pylb.process.supervision.child import DRAINING, PREPARED, SERVING
from pylb.process.supervision.crew import GRACE, Crew
from pylb.process.supervision.handover import Handover
from pylb.process.supervision.listeners import Listeners

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
Plan = Generator[Condition, None, str]
"""Returns its result in words."""


class PlanError(Exception):
    """A plan has failed, and all goes on as it was; the message says why."""


def within(seconds: float, condition: Condition) -> Generator[Condition, None, bool]:
    """Wait for a condition, but no longer than that; whether it holds in the end."""
    deadline = monotonic() + seconds
    yield lambda: condition() or monotonic() > deadline
    return condition()


def reload(crew: Crew, drain_timeout: float) -> Plan:
    """Replace control and every worker by new ones, with the code and the options of now; lose nothing.

    The new control has loaded everything when the old one ends, and goes on from what that one knew last. The
    new worker of a seat listens on the same sockets as the old one, which is told to finish only when the new
    one is ready. What would not work is found out before anything is touched.

    Raises:
        PlanError: the new options or the new program cannot be used.
    """
    needs_upgrade = yield from rehearse(crew)
    crew.generation += 1
    yield from relieve_control(crew)
    for seat in crew.workers:
        if not crew.room:
            log.warning("reload waits: too many workers of earlier generations still finish their requests")
        yield lambda: crew.room
        seat.successor = successor = crew.start(seat)
        ready = yield from within(START_TIME, lambda: successor.serving or not successor.alive)  # noqa: B023
        if not ready or not successor.serving:
            successor.send(signal.SIGKILL)
            seat.successor = None
            raise PlanError(f"given up: the new {seat.name} did not get ready; the others stay as they are")
        former = seat.promote()
        if former:
            former.send(signal.SIGTERM, monotonic() + drain_timeout + GRACE)
    log.info("generation %d serves", crew.generation)
    if not needs_upgrade:
        return f"generation {crew.generation} serves"
    flags = ", ".join(needs_upgrade)
    log.warning("reload: only an upgrade changes %s", flags)
    return f"generation {crew.generation} serves; only pylb upgrade changes {flags}"


def rehearse(crew: Crew) -> Generator[Condition, None, list[str]]:
    """Try out the code and the options of now; return the options that have changed but need an upgrade.

    Raises:
        PlanError: they cannot be used.
    """
    stderr = os.memfd_create("pylb rehearsal")
    with open(stderr, errors="replace") as printed:
        rehearsal = crew.rehearse(stderr)
        ended = yield from within(START_TIME, lambda: not rehearsal.alive)
        rehearsal.kill()
        printed.seek(0)
        text = printed.read()
    sys.stderr.write(text)
    if rehearsal.code == 0:
        return [word for word in rehearsal.words if word.startswith("--")]
    complaints = [line.removeprefix(COMPLAINT) for line in text.splitlines() if line.startswith(COMPLAINT)]
    unknown = f"the rehearsal {rehearsal.fate}" if ended else f"the rehearsal took {START_TIME:g} s"
    reason = complaints[-1] if complaints else unknown
    raise PlanError(f"refused: {reason}; generation {crew.generation} goes on")


def relieve_control(crew: Crew) -> Generator[Condition, None, None]:
    """Let a new control take the seat of the old one.

    Raises:
        PlanError: it did not.
    """
    seat = crew.control
    seat.successor = successor = crew.start(seat, relieves=True)
    yield from within(START_TIME, lambda: successor.state == PREPARED or not successor.alive)
    if not successor.alive or successor.state != PREPARED:
        successor.send(signal.SIGKILL)
        seat.successor = None
        raise PlanError("given up: the new control did not get ready; all stays as it is")
    former = seat.child
    if former:
        former.send(signal.SIGTERM, monotonic() + GRACE)
    yield lambda: seat.child is not former or former is None
    if seat.successor is not successor:
        raise PlanError(f"given up: the new control {successor.fate} before it could begin")
    seat.promote()
    crew.brief(successor)
    if not (yield from within(START_TIME, seat.ready)):
        raise PlanError("given up: the new control is not ready; the workers stay as they are")


def upgrade(crew: Crew, handover: Handover) -> Plan:
    """Start another pylb on the same sockets.

    Raises:
        PlanError: it does not serve.
    """
    if os.getpid() == 1:
        raise PlanError("refused: pylb is process 1, with which its container would end; reload it instead")
    successor = crew.start_successor(handover)
    yield from within(START_TIME, lambda: successor.serving or not successor.alive)
    if not successor.serving:
        reason = "was not ready in time" if successor.alive else f"{successor.fate}, and its log says why"
        successor.send(signal.SIGTERM, monotonic() + GRACE)
        raise PlanError(f"given up: {successor.name} {reason}; this one goes on")
    log.info("process %d has taken over", successor.pid)
    crew.refilling = False
    control = crew.control.child
    if control:
        control.send(signal.SIGTERM, monotonic() + GRACE)
        yield lambda: not control.alive
    # Nothing is decided here any more: what was is in the state file, and operators are answered there.
    successor.lifeline.tell(RETIRED)
    crew.dismiss(successor)
    return f"process {successor.pid} has taken over"


def take_over(crew: Crew, predecessor: Lifeline) -> Plan:
    """Tell the pylb that is replaced that this one serves; answer operators when its control has ended."""
    predecessor.tell(SERVING)
    yield from within(2 * GRACE, lambda: predecessor.hear() != [])
    crew.announce(SERVING)
    return ""


def stop(crew: Crew, listeners: Listeners, drain_timeout: float, shutdown_delay: float) -> Plan:
    """End in the order in which nobody is surprised.

    First pylb leaves the registry, and /ready says no while all goes on; then nothing new is accepted, and
    what runs may finish; control goes last, so that all of it can be watched.
    """
    crew.announce(LEAVING)
    yield from within(GOODBYE, lambda: not crew.control.ready())  # Control says when it has left.
    yield from within(shutdown_delay, lambda: False)
    crew.announce(DRAINING)
    yield from finish(crew, listeners, drain_timeout)
    log.info("pylb is stopped")
    return ""


def retire(crew: Crew, listeners: Listeners, drain_timeout: float) -> Plan:
    """End after a successor has taken over."""
    yield from finish(crew, listeners, drain_timeout)
    log.info("the former pylb, process %d, has finished", os.getpid())
    return ""


def finish(crew: Crew, listeners: Listeners, drain_timeout: float) -> Generator[Condition, None, None]:
    """Accept nothing new, let what runs finish, and then control."""
    crew.refilling = False
    control = crew.control.child
    for child in crew.children.values():
        if child is not control:
            child.send(signal.SIGTERM, monotonic() + drain_timeout + GRACE)
    listeners.close()
    yield lambda: not set(crew.children.values()) - {control}
    if control:
        control.send(signal.SIGTERM, monotonic() + GRACE)
    yield lambda: not crew.children


def stop_at_once(crew: Crew, listeners: Listeners) -> Plan:
    """End without regard for what runs."""
    crew.refilling = False
    for child in crew.children.values():
        # Who is not ready yet does not know QUIT, and would leave a core dump.
        child.send(signal.SIGQUIT if child.served else signal.SIGTERM, monotonic() + AT_ONCE)
    listeners.close()
    yield lambda: not crew.children
    log.info("pylb is stopped")
    return ""

"""What takes several steps: each plan is a generator that yields the condition it waits for.

The supervisor goes on with everything else meanwhile, and with the plan when the condition holds.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Generator
from time import monotonic

from pylb.process.supervision.child import DRAINING, PREPARED
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

Condition = Callable[[], bool]
Plan = Generator[Condition, None, None]


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
    """
    rehearsal = crew.rehearse()
    yield from within(START_TIME, lambda: not rehearsal.alive)
    if rehearsal.code != 0:
        rehearsal.send(signal.SIGKILL)
        log.error("reload refused: it would not work; generation %d goes on", crew.generation)
        return
    crew.generation += 1
    if not (yield from relieve_control(crew)):
        return
    for seat in crew.workers:
        if not crew.room:
            log.warning("reload waits: too many workers of earlier generations still finish their requests")
        yield lambda: crew.room
        seat.successor = successor = crew.start(seat)
        ready = yield from within(START_TIME, lambda: successor.serving or not successor.alive)  # noqa: B023
        if not ready or not successor.serving:
            successor.send(signal.SIGKILL)
            seat.successor = None
            log.error("reload given up: the new %s did not get ready; the others stay as they are", seat.name)
            return
        former = seat.promote()
        if former:
            former.send(signal.SIGTERM, monotonic() + drain_timeout + GRACE)
    log.info("generation %d serves", crew.generation)


def relieve_control(crew: Crew) -> Generator[Condition, None, bool]:
    """Let a new control take the seat of the old one; return whether it has."""
    seat = crew.control
    seat.successor = successor = crew.start(seat, relieves=True)
    yield from within(START_TIME, lambda: successor.state == PREPARED or not successor.alive)
    if not successor.alive or successor.state != PREPARED:
        successor.send(signal.SIGKILL)
        seat.successor = None
        log.error("reload given up: the new control did not get ready; all stays as it is")
        return False
    former = seat.child
    if former:
        former.send(signal.SIGTERM, monotonic() + GRACE)
    yield lambda: seat.child is not former or former is None
    if seat.successor is not successor:
        log.error("reload given up: the new control %s before it could begin", successor.fate)
        return False
    seat.promote()
    crew.brief(successor)
    if not (yield from within(START_TIME, seat.ready)):
        log.error("reload given up: the new control is not ready; the workers stay as they are")
        return False
    return True


def upgrade(crew: Crew, handover: Handover) -> Generator[Condition, None, bool]:
    """Start another pylb on the same sockets; return whether it serves. If not, all goes on as it was."""
    if os.getpid() == 1:
        log.error("upgrade refused: pylb is process 1, with which its container would end; reload it instead")
        return False
    successor = crew.start_successor(handover)
    yield from within(START_TIME, lambda: successor.serving or not successor.alive)
    if not successor.serving:
        reason = "was not ready in time" if successor.alive else successor.fate
        log.error("upgrade given up: %s %s; this one goes on", successor.name, reason)
        successor.send(signal.SIGTERM, monotonic() + GRACE)
        return False
    log.info("process %d has taken over", successor.pid)
    crew.dismiss(successor)
    return True


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


def retire(crew: Crew, listeners: Listeners, drain_timeout: float) -> Plan:
    """End after a successor has taken over: its control answers operators from now on, not ours."""
    if crew.control.child:
        crew.control.child.send(signal.SIGTERM, monotonic() + GRACE)
    yield from finish(crew, listeners, drain_timeout)
    log.info("the former pylb, process %d, has finished", os.getpid())


def finish(crew: Crew, listeners: Listeners, drain_timeout: float) -> Plan:
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

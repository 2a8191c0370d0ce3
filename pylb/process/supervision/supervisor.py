"""The supervisor: sees to it that control and the workers are there, and does what signals say.

It knows nothing of HTTP and of discovery, and runs no event loop, so that there is little in it that could
fail. Signals queue, and the loop acts.
"""

from __future__ import annotations

import logging
import select
import signal
from collections.abc import Callable
from dataclasses import dataclass

from pylb import __version__
from pylb.config import Options
from pylb.process.pools import read_routes
from pylb.process.supervision import plans
from pylb.process.supervision.child import SERVING
from pylb.process.supervision.crew import Crew
from pylb.process.supervision.fixed import fixed
from pylb.process.supervision.handover import Handover, Predecessor
from pylb.process.supervision.listeners import Listeners
from pylb.process.supervision.outcome import OutcomeFile
from pylb.process.supervision.pidfile import PidFile
from pylb.process.supervision.plans import Condition, Plan, PlanError
from pylb.process.supervision.signals import SignalQueue

log = logging.getLogger("pylb.supervisor")

TURN = 0.05
"""Seconds between two looks while something is under way. Otherwise only news wakes the supervisor."""

SIGNALS = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGCHLD,
)


def supervise(
    options: Options, listeners: Listeners, predecessor: Predecessor | None, pid_file: PidFile | None
) -> int:
    """Be a supervisor until told to stop; return the exit code."""
    return Supervisor(options, listeners, predecessor, pid_file).run()


class Supervisor:
    """Runs a crew from the start to the end.

    Args:
        options: what the user wants.
        listeners: where requests are taken, and by how many processes.
        predecessor: the pylb that this one replaces, if there is one.
        pid_file: where this process's id is to be found, if anywhere.
    """

    def __init__(
        self,
        options: Options,
        listeners: Listeners,
        predecessor: Predecessor | None = None,
        pid_file: PidFile | None = None,
    ) -> None:
        self._options = options
        self._listeners = listeners
        self._predecessor = predecessor
        self._pid_file = pid_file
        self._crew = Crew(
            listeners,
            drain_timeout=options.drain_timeout,
            watchdog_timeout=options.watchdog_timeout,
            fixed=fixed(options),
            predecessor=predecessor.state if predecessor else None,
        )
        self._outcomes = OutcomeFile(options.pid_file)
        self._signals = SignalQueue(SIGNALS)
        self._serving = False
        self._plans: list[Procedure] = []
        """What is to be done, one after the other."""
        self._awaited: Condition = always
        """What the first of them waits for."""
        self._ending = False
        self._code = 0

    def run(self) -> int:
        """Supervise until told to stop; return the exit code."""
        crew = self._crew
        self._signals.open()
        try:
            crew.refill()
            while self._plans or not self._ending:
                self._wait()
                for number in self._signals.take():
                    self._obey(number)
                crew.hear()
                crew.reap()
                if crew.despair and not self._code:
                    self._give_up()
                crew.refill()
                crew.watch()
                crew.enforce()
                self._greet()
                self._go_on()
        finally:
            for child in crew.children.values():
                child.send(signal.SIGKILL)
            self._signals.close()
            if self._pid_file and self._pid_file.remove():
                self._outcomes.remove()
        return self._code

    def _wait(self) -> None:
        """Until there is news, or for a moment if something is under way or has to be watched."""
        news = select.poll()
        news.register(self._signals.descriptor, select.POLLIN)
        for child in self._crew.children.values():
            if not child.silent:
                news.register(child.lifeline.end, select.POLLIN)
        patience = TURN if self._plans else self._crew.patience(TURN)
        news.poll(None if patience is None else 1000 * patience)

    def _obey(self, number: signal.Signals) -> None:
        """Do, or plan, what a signal asks for. CHLD only wakes us."""
        options = self._options
        match number:
            case signal.SIGTERM | signal.SIGINT if not self._ending:
                log.info("%s: stopping; once more stops at once", number.name)
                self._end(
                    plans.stop(self._crew, self._listeners, options.drain_timeout, options.shutdown_delay)
                )
            case signal.SIGTERM | signal.SIGINT | signal.SIGQUIT:
                log.info("%s: stopping at once", number.name)
                self._end(plans.stop_at_once(self._crew, self._listeners))
            case signal.SIGHUP:
                self._plan(Procedure("reload", plans.reload(self._crew, options.drain_timeout)))
            case signal.SIGUSR1:
                self._crew.reopen_logs()
            case signal.SIGUSR2:
                self._plan(self._upgrade())

    def _plan(self, procedure: Procedure) -> None:
        """Do something after what is under way, unless it is planned already, or too late."""
        name = procedure.name
        if not self._ending and name not in [other.name for other in self._plans[1:]]:
            log.info("%s: begun" if not self._plans else "%s: waits for what is under way", name)
            self._plans.append(procedure)

    def _upgrade(self) -> Procedure:
        handover = Handover(
            self._listeners.plain,
            self._listeners.tls,
            self._listeners.admin,
            pid_file=self._pid_file.descriptor if self._pid_file else None,
            state=self._crew.state,
        )
        return Procedure("upgrade", plans.upgrade(self._crew, handover), self._retire)

    def _retire(self) -> None:
        self._end(plans.retire(self._crew, self._listeners, self._options.drain_timeout))

    def _end(self, plan: Plan) -> None:
        """Do this instead of all that was planned; then it is over."""
        self._ending = True
        self._plans = [Procedure("end", plan, reported=False)]
        self._awaited = always

    def _give_up(self) -> None:
        log.error("giving up: %s", self._crew.despair)
        self._code = 1
        self._end(plans.stop_at_once(self._crew, self._listeners))

    def _greet(self) -> None:
        """Tell everybody, once all are ready for the first time."""
        if not self._serving and all(seat.ready() for seat in self._crew.seats):
            self._serving = True
            log.info(
                "pylb %s listens on %s for %s, admin on %s, policy %s, %d workers",
                __version__,
                self._listeners.clients,
                ", ".join(route.service for route in read_routes(self._options)),
                self._listeners.operators,
                self._options.policy,
                len(self._crew.workers),
            )
            if self._pid_file:
                self._pid_file.write()
            self._outcomes.create()
            if self._predecessor:
                plan = plans.take_over(self._crew, self._predecessor.lifeline)
                self._plans.append(Procedure("take over", plan, reported=False))
            else:
                self._crew.announce(SERVING)

    def _go_on(self) -> None:
        """Go on with the present plan as far as that is possible now."""
        while self._plans and self._awaited():
            procedure = self._plans[0]
            if not procedure.begun and procedure.reported:
                self._outcomes.begin(procedure.name)
            procedure.begun = True
            try:
                self._awaited = next(procedure.plan)
            except StopIteration as ended:
                self._finish(procedure, ended.value)
            except (PlanError, OSError) as error:
                reason = f"given up: {error.strerror}" if isinstance(error, OSError) else error
                log.error("%s %s", procedure.name, reason)
                self._finish(procedure, f"{procedure.name} {reason}", failed=True)

    def _finish(self, procedure: Procedure, text: str, *, failed: bool = False) -> None:
        """Note how a plan has ended, and begin what follows it."""
        self._awaited = always
        self._plans.remove(procedure)
        if procedure.reported:
            self._outcomes.end(procedure.name, text, failed=failed)
        if not failed:
            procedure.after()


@dataclass(eq=False)
class Procedure:
    """Something that is to be done, step by step."""

    name: str
    plan: Plan
    after: Callable[[], None] = lambda: None
    """What follows if it succeeds."""
    reported: bool = True
    """Whether a command may wait for it."""
    begun: bool = False


def always() -> bool:
    """Nothing is waited for."""
    return True

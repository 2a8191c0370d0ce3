"""The supervisor: keeps control and the workers running, and handles signals.

It has no HTTP, no discovery and no event loop, so that little in it can fail. Signals are queued; its loop
handles them.
"""

from __future__ import annotations

import logging
import select
import signal
from collections.abc import Callable
from dataclasses import dataclass

from pylb import __version__
from pylb.assembly.routes import declarations
from pylb.config import Options
from pylb.ipc.supervisor_pipe import SERVING
from pylb.supervisor import procedures
from pylb.supervisor.fixed_options import fixed
from pylb.supervisor.handover import Handover, Predecessor
from pylb.supervisor.listeners import Listeners
from pylb.supervisor.outcome import OutcomeFile
from pylb.supervisor.pidfile import PidFile
from pylb.supervisor.procedures import Condition, ProcedureError, Steps
from pylb.supervisor.process_manager import ProcessManager
from pylb.supervisor.signals import SignalQueue

log = logging.getLogger("pylb.supervisor")

POLL_INTERVAL = 0.05
"""Seconds between two checks during a procedure. Otherwise only events wake the supervisor."""

SIGNALS = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGCHLD,
)


class Supervisor:
    """Runs pylb from its start to its end.

    Args:
        options: the options of pylb.
        listeners: the listening sockets, and the number of workers.
        predecessor: the pylb that this one replaces, if there is one.
        pid_file: the pid file, if there is one.
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
        self._processes = ProcessManager(
            listeners,
            drain_timeout=options.drain_timeout,
            watchdog_timeout=options.watchdog_timeout,
            fixed=fixed(options),
            predecessor=predecessor.state if predecessor else None,
        )
        self._outcomes = OutcomeFile(options.pid_file)
        self._signals = SignalQueue(SIGNALS)
        self._serving = False
        self._procedures: list[Procedure] = []
        """The running procedure and those that wait."""
        self._awaited: Condition = always
        """The condition for which the first one waits."""
        self._ending = False
        self._code = 0

    def run(self) -> int:
        """Supervise until pylb ends; return the exit code."""
        processes = self._processes
        self._signals.open()
        try:
            processes.refill()
            while self._procedures or not self._ending:
                self._wait()
                for number in self._signals.take():
                    self._handle(number)
                processes.receive()
                processes.reap()
                if processes.fatal_reason and not self._code:
                    self._give_up()
                processes.refill()
                processes.watch()
                processes.enforce()
                self._announce_ready()
                self._advance()
        finally:
            for child in processes.children.values():
                child.send(signal.SIGKILL)
            self._signals.close()
            if self._pid_file and self._pid_file.remove():
                self._outcomes.remove()
        return self._code

    def _wait(self) -> None:
        """Wait for an event, or for a short time during a procedure."""
        poll = select.poll()
        poll.register(self._signals.descriptor, select.POLLIN)
        for child in self._processes.children.values():
            if not child.silent:
                poll.register(child.supervisor_pipe.end, select.POLLIN)
        timeout = POLL_INTERVAL if self._procedures else self._processes.poll_timeout(POLL_INTERVAL)
        poll.poll(None if timeout is None else 1000 * timeout)

    def _handle(self, number: signal.Signals) -> None:
        """Handle a signal. CHLD only wakes the loop."""
        options = self._options
        match number:
            case signal.SIGTERM | signal.SIGINT if not self._ending:
                log.info("%s: stopping; a second signal stops immediately", number.name)
                self._end(
                    procedures.stop(
                        self._processes, self._listeners, options.drain_timeout, options.shutdown_delay
                    )
                )
            case signal.SIGTERM | signal.SIGINT | signal.SIGQUIT:
                log.info("%s: stopping immediately", number.name)
                self._end(procedures.stop_at_once(self._processes, self._listeners))
            case signal.SIGHUP:
                self._schedule(Procedure("reload", procedures.reload(self._processes, options.drain_timeout)))
            case signal.SIGUSR1:
                self._processes.reopen_logs()
            case signal.SIGUSR2:
                self._schedule(self._upgrade())

    def _schedule(self, procedure: Procedure) -> None:
        """Run a procedure after the current one, unless it is scheduled already or pylb ends."""
        name = procedure.name
        if not self._ending and name not in [other.name for other in self._procedures[1:]]:
            log.info("%s: begun" if not self._procedures else "%s: waits for the current procedure", name)
            self._procedures.append(procedure)

    def _upgrade(self) -> Procedure:
        handover = Handover(
            self._listeners.plain,
            self._listeners.tls,
            self._listeners.admin,
            pid_file=self._pid_file.descriptor if self._pid_file else None,
            state=self._processes.state,
        )
        return Procedure("upgrade", procedures.upgrade(self._processes, handover), self._retire)

    def _retire(self) -> None:
        self._end(procedures.retire(self._processes, self._listeners, self._options.drain_timeout))

    def _end(self, steps: Steps) -> None:
        """Replace all procedures by the last one."""
        self._ending = True
        self._procedures = [Procedure("end", steps, reported=False)]
        self._awaited = always

    def _give_up(self) -> None:
        log.error("giving up: %s", self._processes.fatal_reason)
        self._code = 1
        self._end(procedures.stop_at_once(self._processes, self._listeners))

    def _announce_ready(self) -> None:
        """Log and report that pylb serves, once all processes are ready for the first time."""
        if not self._serving and all(slot.ready() for slot in self._processes.slots):
            self._serving = True
            log.info(
                "pylb %s listens on %s for %s, admin on %s, policy %s, %d workers",
                __version__,
                self._listeners.clients,
                self._sources_of_routes,
                self._listeners.operators,
                self._options.policy,
                len(self._processes.workers),
            )
            if self._pid_file:
                self._pid_file.write()
            self._outcomes.create()
            if self._predecessor:
                steps = procedures.take_over(self._processes, self._predecessor.supervisor_pipe)
                self._procedures.append(Procedure("take over", steps, reported=False))
            else:
                self._processes.announce(SERVING)

    def _advance(self) -> None:
        """Run the steps whose conditions hold."""
        while self._procedures and self._awaited():
            procedure = self._procedures[0]
            if not procedure.begun and procedure.reported:
                self._outcomes.begin(procedure.name)
            procedure.begun = True
            try:
                self._awaited = next(procedure.steps)
            except StopIteration as ended:
                self._finish(procedure, ended.value)
            except (ProcedureError, OSError) as error:
                reason = f"given up: {error.strerror}" if isinstance(error, OSError) else error
                log.error("%s %s", procedure.name, reason)
                self._finish(procedure, f"{procedure.name} {reason}", failed=True)

    @property
    def _sources_of_routes(self) -> str:
        """What is served, for the log: the services of the options, and the sources of others."""
        options = self._options
        fixed = [each.service for each in declarations(options) if each.needs_pool]
        return ", ".join([*fixed, *options.routes, *(["the catalog"] if options.catalog else [])])

    def _finish(self, procedure: Procedure, text: str, *, failed: bool = False) -> None:
        """Record the end of a procedure, and call its `after` if it succeeded."""
        self._awaited = always
        self._procedures.remove(procedure)
        if procedure.reported:
            self._outcomes.end(procedure.name, text, failed=failed)
        if not failed:
            procedure.after()


@dataclass(eq=False)
class Procedure:
    """A scheduled procedure."""

    name: str
    steps: Steps
    after: Callable[[], None] = lambda: None
    """Called when it succeeds."""
    reported: bool = True
    """Whether its outcome is written for commands that wait for it."""
    begun: bool = False


def always() -> bool:
    """The condition that always holds."""
    return True

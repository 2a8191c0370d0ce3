"""`pylb preflight`: checks the current code and options before a reload.

Errors appear in this separate process and affect no other: an invalid option, a module that cannot be
imported, a program with another layout of the shared memory.
"""

from __future__ import annotations

import socket
from time import monotonic

from pylb.assembly.admin_access import access
from pylb.assembly.routes import check_routes
from pylb.config import Options
from pylb.control.control import Control
from pylb.control.process import run as run_control
from pylb.errors import StartError
from pylb.ipc.bootstrap import Bootstrap
from pylb.ipc.supervisor_pipe import SupervisorPipe
from pylb.observe.counters import Counters
from pylb.observe.shared_counters import LAYOUT, SharedCounters
from pylb.observe.worker_counters import WorkerCounters
from pylb.runtime.logs import log_to_stderr
from pylb.sinks.sinks import Sinks
from pylb.supervisor.fixed_options import changed
from pylb.worker.process import run as run_worker
from pylb.worker.worker import Worker

ENTRY_POINTS = (run_control, run_worker)
"""The modules that a reload runs; importing them is a part of the check."""


def run(options: Options) -> int:
    """Do what control and a worker do before they serve.

    Sends the supervisor the flags of those options that have changed and need an upgrade.

    Raises:
        UsageError: the options contradict each other.
        StartError: the program on disk is incompatible with the running supervisor.
    """
    bootstrap = Bootstrap.take()
    log_to_stderr(options.log_level, bootstrap.name)
    if bootstrap.layout != LAYOUT:
        raise StartError(
            "the program on disk has another layout of the counters than the running one: upgrade instead"
        )
    bootstrap.state_file.read()
    shared = SharedCounters()
    check_routes(options)
    worker = Worker(options, WorkerCounters(shared), Sinks(options))
    Control(options, list(worker.pools), lambda *_: None, Counters(shared, monotonic))
    access(options)
    supervisor_pipe = SupervisorPipe(socket.socket(fileno=bootstrap.supervisor_pipe))
    for flag in changed(bootstrap.fixed, options):
        supervisor_pipe.send(flag)
    return 0

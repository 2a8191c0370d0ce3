"""`pylb preflight`: tries out what a reload would start, with the code and the options of now.

Whatever is wrong comes to light here, in a process that nobody needs: an option that cannot be used, a module
that cannot be imported, a program that would read the shared memory differently.
"""

from __future__ import annotations

import socket
from time import monotonic

from pylb.assembly.admin_access import access
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

PLAYERS = (run_control, run_worker)
"""What a reload would run: that it could be imported is half of the proof."""


def run(options: Options) -> int:
    """Do what control and a worker do before they begin.

    Sends the supervisor the flags of those options that have changed and need an upgrade.

    Raises:
        UsageError: the options contradict each other.
        StartError: the program on disk does not go with the supervisor that runs.
    """
    bootstrap = Bootstrap.take()
    log_to_stderr(options.log_level, bootstrap.name)
    if bootstrap.layout != LAYOUT:
        raise StartError("the program on disk counts differently from the one that runs: upgrade it instead")
    bootstrap.state_file.read()
    block = SharedCounters()
    worker = Worker(options, WorkerCounters(block), Sinks(options))
    Control(options, list(worker.pools), lambda *_: None, Counters(block, monotonic))
    access(options)
    supervisor_pipe = SupervisorPipe(socket.socket(fileno=bootstrap.supervisor_pipe))
    for flag in changed(bootstrap.fixed, options):
        supervisor_pipe.tell(flag)
    return 0

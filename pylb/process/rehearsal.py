"""`pylb rehearse`: tries out what a reload would start, with the code and the options of now.

Whatever is wrong comes to light here, in a process that nobody needs: an option that cannot be used, a module
that cannot be imported, a program that would read the shared memory differently.
"""

from __future__ import annotations

import socket
from time import monotonic

from pylb.config import Options
from pylb.errors import StartError
from pylb.observe.assigned import AssignedCounters
from pylb.observe.block import LAYOUT, Block
from pylb.observe.counters import Counters
from pylb.process import controlprocess, workerprocess
from pylb.process.access import access
from pylb.process.control import Control
from pylb.process.ipc.lifeline import Lifeline
from pylb.process.logs import log_to_stderr
from pylb.process.supervision.fixed import changed
from pylb.process.supervision.inheritance import Inheritance
from pylb.process.witnesses import Witnesses
from pylb.process.worker import Worker

PLAYERS = (controlprocess.run, workerprocess.run)
"""What a reload would run: that it could be imported is half of the proof."""


def run(options: Options) -> int:
    """Do what control and a worker do before they begin.

    Sends the supervisor the flags of those options that have changed and need an upgrade.

    Raises:
        UsageError: the options contradict each other.
        StartError: the program on disk does not go with the supervisor that runs.
    """
    inheritance = Inheritance.take()
    log_to_stderr(options.log_level, inheritance.name)
    if inheritance.layout != LAYOUT:
        raise StartError("the program on disk counts differently from the one that runs: upgrade it instead")
    inheritance.state_file.read()
    block = Block()
    worker = Worker(options, AssignedCounters(block), Witnesses(options))
    Control(options, list(worker.pools), lambda *_: None, Counters(block, monotonic))
    access(options)
    lifeline = Lifeline(socket.socket(fileno=inheritance.lifeline))
    for flag in changed(inheritance.fixed, options):
        lifeline.tell(flag)
    return 0

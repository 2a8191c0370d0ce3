import signal
import sys

import pytest

from pylb.supervisor import program
from pylb.supervisor.listeners import Listeners
from pylb.supervisor.process_manager import ProcessManager
from tests.until import until

KILLED = pytest.mark.logs_error(r"\(pid \d+\) was killed by SIGKILL")


@pytest.fixture
def processes():
    made = ProcessManager(Listeners(listen=()), drain_timeout=1.0)
    yield made
    for child in made.children.values():
        child.kill()
    while made.children:
        made.reap()


@pytest.fixture
def command(monkeypatch):
    """What the children execute."""

    def execute(*line):
        monkeypatch.setattr(program, "command", lambda role, arguments: list(line))

    return execute


@pytest.mark.logs_error(r"cannot start (control|worker 1): No such file")
@pytest.mark.logs_error(r"\(pid \d+\) was killed by SIGKILL")
async def test_a_failed_start_is_retried(processes, command, caplog):
    command("/nonexistent")
    processes.refill()
    assert [record.getMessage() for record in caplog.records] == [
        "cannot start control: No such file or directory; next attempt in 0.1 s",
        "cannot start worker 1: No such file or directory; next attempt in 0.1 s",
    ]
    assert not processes.children
    command(sys.executable, "-c", "import time; time.sleep(60)")

    def refilled():
        processes.refill()
        return len(processes.children) == 2

    await until(refilled)
    assert processes.workers[0].child.row == 0, "the row of the start that failed is free again"


@pytest.mark.parametrize("successor", [pytest.param(False, marks=KILLED), True])
async def test_an_ended_process_leaves_its_slot(processes, command, successor):
    command(sys.executable, "-c", "import time; time.sleep(60)")
    slot = processes.workers[0]
    child = processes.start(slot)
    if successor:
        slot.successor = child
    else:
        slot.child = child
    child.kill()

    def reaped():
        processes.reap()
        return child.code == -signal.SIGKILL

    await until(reaped)
    assert (slot.child, slot.successor) == (None, None)

import os
import signal
import socket
import sys
from math import inf

import pytest

from pylb.ipc.supervisor_pipe import SupervisorPipe
from pylb.supervisor.child import Child

SAYS = """
import os, sys
number = int(os.environ["NUMBER"])
os.write(number, b"serving\\n")
sys.stdin.read()
os.write(number, b"draining\\n")
"""


@pytest.fixture
def start():
    started = []

    def start(code):
        ours, theirs = socket.socketpair()
        with theirs:
            started.append(
                Child(
                    "worker 1",
                    [sys.executable, "-c", code],
                    {"NUMBER": str(theirs.fileno())},
                    [theirs.fileno()],
                    SupervisorPipe(ours),
                )
            )
        return started[-1]

    yield start
    for child in started:
        if child.alive:
            child.send(signal.SIGKILL)
            child.ended(os.waitpid(child.pid, 0)[1])


def wait(child):
    child.ended(os.waitpid(child.pid, 0)[1])


def test_a_child_reports_its_states(start):
    child = start(SAYS)
    assert (child.state, child.serving, child.served, child.alive) == ("starting", False, False, True)
    wait(child)
    assert (child.state, child.serving, child.served, child.alive) == ("draining", False, True, False)
    assert child.fate == "ended with exit code 0"


@pytest.mark.parametrize(
    ("code", "fate"),
    [
        ("import sys; sys.exit(3)", "ended with exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "was killed by SIGKILL"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "was killed by SIGSEGV"),
        ("import os; os.kill(os.getpid(), 40)", "was killed by signal 40"),
    ],
)
def test_the_end_of_a_child_is_described(start, code, fate):
    child = start(code)
    wait(child)
    assert (child.fate, child.served) == (fate, False)


def test_the_end_of_a_signalled_child_is_expected(start):
    child = start("import time; time.sleep(60)")
    assert (child.expected, child.deadline) == (False, inf)
    child.send(signal.SIGTERM, 100.0)
    child.send(signal.SIGTERM, 200.0)
    assert (child.expected, child.deadline) == (True, 100.0)
    wait(child)
    assert child.code == -signal.SIGTERM
    child.send(signal.SIGTERM)


def test_the_end_of_a_hanging_child_is_unexpected(start):
    child = start("import time; time.sleep(60)")
    os.kill(child.pid, signal.SIGSTOP)
    child.abort(100.0)
    child.abort(200.0)
    assert (child.expected, child.deadline) == (False, 100.0)
    wait(child)
    assert child.fate == "was killed by SIGABRT"
    child.abort(300.0)
    child.kill()


def test_ctrl_c_does_not_reach_a_child(start):
    child = start("import time; time.sleep(60)")
    assert os.getpgid(child.pid) == child.pid != os.getpgid(0)


def test_the_end_of_the_supervisor_pipe_is_detected(start):
    child = start("pass")
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    child.receive()
    assert child.silent
    wait(child)

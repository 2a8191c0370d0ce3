import pytest

from pylb.containers.stopping import Stopping, signal_number
from tests.containers.inspected import container


@pytest.mark.parametrize(
    ("number", "stop_signal", "stops"),
    [
        ("15", None, True),
        ("9", None, True),
        ("3", "SIGQUIT", True),
        ("15", "SIGQUIT", True),
        ("1", None, False),
    ],
)
def test_the_signals_that_end_it(number, stop_signal, stops):
    web, other = container("web-1", stop_signal=stop_signal), container("web-2")
    stopping = Stopping()
    stopping.heard("kill", web.id, number)
    assert stopping.among([web, other]) == ({web.id} if stops else set())


@pytest.mark.parametrize("action", ["start", "die", "destroy"])
def test_one_that_has_ended_or_started_is_not_stopping(action):
    web = container("web-1")
    stopping = Stopping()
    stopping.heard("kill", web.id, "15")
    stopping.heard("health_status", web.id, "")
    assert stopping.among([web]) == {web.id}
    stopping.heard(action, web.id, "")
    assert stopping.among([web]) == set()


@pytest.mark.parametrize(("name", "number"), [("SIGQUIT", "3"), ("QUIT", "3"), ("3", "3"), ("odd", "odd")])
def test_signals(name, number):
    assert signal_number(name) == number

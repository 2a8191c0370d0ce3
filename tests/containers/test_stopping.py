import pytest

from pylb.containers.stopping import Stopping, signal_number
from tests.containers.inspected import container
from tests.every import every


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
def test_signals_that_end_a_container(number, stop_signal, stops):
    web, other = container("web-1", stop_signal=stop_signal), container("web-2")
    stopping = Stopping()
    stopping.on_event("kill", web.id, number)
    assert stopping.among([web, other]) == ({web.id} if stops else set())


@pytest.mark.parametrize("action", ["start", "die", "destroy"])
def test_an_ended_or_started_container_is_not_stopping(action):
    web = container("web-1")
    stopping = Stopping()
    stopping.on_event("kill", web.id, "15")
    stopping.on_event("health_status", web.id, "")
    assert stopping.among([web]) == {web.id}
    stopping.on_event(action, web.id, "")
    assert stopping.among([web]) == set()


def test_a_container_that_was_restarted_without_an_event_is_not_stopping():
    before, after = (container("web-1", started=f"2026-01-01T00:00:0{second}Z") for second in (1, 2))
    stopping = Stopping()
    stopping.on_event("kill", before.id, "15")
    assert stopping.among([before]) == {before.id}
    assert stopping.among([after]) == set()
    assert stopping.among([before]) == set()


@every(
    ("name", "number"),
    [
        *((name, 3) for name in ("SIGQUIT", "QUIT", "sigquit", "Quit", "3", "03")),
        *((name, 37) for name in ("SIGRTMIN+3", "RTMIN+3", "rtmin+3", "37")),
        *(("RTMIN", 34), ("SIGRTMAX", 64), ("RTMAX-1", 63), ("RTMAX-14", 50)),
        *(("CLD", 17), ("IOT", 6), ("POLL", 29), ("STKFLT", 16), ("PWR", 30)),
        *((name, 0) for name in ("odd", "", "RTMIN+31", "RTMAX-31", "RTMIN-1", "9" * 5000, "_BLOCK", "DFL")),
    ],
)
def test_signal_names_and_numbers(name, number):
    assert signal_number(name) == number


@pytest.mark.parametrize("stop_signal", ["SIGRTMIN+3", "rtmin+3", "37"])
def test_any_spelling_of_its_stop_signal_ends_a_container(stop_signal):
    web = container("web-1", stop_signal=stop_signal)
    stopping = Stopping()
    stopping.on_event("kill", web.id, "37")
    assert stopping.among([web]) == {web.id}


def test_an_unknown_signal_ends_no_container():
    web = container("web-1", stop_signal="odd")
    stopping = Stopping()
    stopping.on_event("kill", web.id, "odder")
    assert stopping.among([web]) == set()

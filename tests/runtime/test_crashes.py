import pytest

from pylb.observe.gauges import CRASHES, HUNG, PROCESS
from pylb.observe.shared_counters import SharedCounters
from pylb.runtime import crashes
from pylb.runtime.crashes import REPORTED, Crashes


@pytest.fixture
def now(monkeypatch):
    """The time that the module sees; a list, to be changed."""
    times = [1000.0]
    monkeypatch.setattr(crashes, "monotonic", lambda: times[0])
    return times


@pytest.fixture
def blocks():
    """Control's and a worker's view of the memory that they share."""
    pages = {"counters": bytearray(1 << 20), "gauges": bytearray(1 << 20)}
    shared = {name: lambda size, page=page: memoryview(page)[:size] for name, page in pages.items()}
    return [SharedCounters(rows=2, row=row, **shared) for row in range(2)]


def test_a_crash_is_a_problem_for_some_time(now):
    known = Crashes()
    known.add("probe", KeyError("web"))
    now[0] += 12
    assert [*known.problems()] == ["the background task 'probe' crashed 12 s ago: KeyError: 'web'"]
    known.add("probe", ValueError("odd"))
    now[0] += 3
    assert [*known.problems()] == [
        "the background task 'probe' crashed 2 times, last 3 s ago: ValueError: odd"
    ]
    now[0] += REPORTED
    assert [*known.problems()] == []


def test_control_reports_the_crashes_of_workers_as_long_as_they_live(now, blocks):
    control, worker = map(Crashes, blocks)
    assert [*control.problems()] == []
    worker.add("publish gauges", KeyError())
    now[0] += 5
    assert [*control.problems()] == ["a background task of a worker crashed 5 s ago; see its log"]
    assert blocks[0].total(PROCESS)[CRASHES] == 1
    blocks[0].forget(1)
    assert [*control.problems()] == []
    assert blocks[0].total(PROCESS)[CRASHES] == 1


def test_a_replaced_hung_process_is_a_problem_for_some_time(now, blocks):
    control, supervisor = Crashes(blocks[0]), blocks[1]
    supervisor.counters(PROCESS)[HUNG] = 999_000
    assert [*control.problems()] == ["a hung process was replaced 1 s ago; see the log for its stack trace"]
    now[0] += REPORTED
    assert [*control.problems()] == []

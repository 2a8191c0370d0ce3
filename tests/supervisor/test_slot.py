import pytest

from pylb.ipc.supervisor_pipe import SERVING, STARTING
from pylb.supervisor.slot import LONGEST_PAUSE, STEADY, Slot


class Child:
    """One that is as the test says."""

    def __init__(self, *, served=False, started=0.0, code=None):
        self.served = served
        self.started = started
        self.code = code
        self.state = SERVING if served else STARTING

    @property
    def serving(self):
        return self.served and self.code is None


@pytest.fixture
def slot():
    return Slot("worker", "worker 1", 0, [])


def take(slot, child):
    slot.child = child
    return child


def test_a_serving_child_is_ready(slot):
    assert not slot.ready()
    child = take(slot, Child())
    assert not slot.ready()
    child.served = True
    assert slot.ready()


def test_a_crash_is_repaired_immediately(slot):
    for now in range(10, 100, 10):
        child = take(slot, Child(served=True, started=now - STEADY - 1, code=-9))
        assert slot.on_end(child, now) == 0
        assert (slot.child, slot.due) == (None, now)
        assert not slot.cannot_start(child)


def test_a_child_that_never_lasts_is_started_with_back_off(slot):
    slot.on_end(take(slot, Child(served=True, code=1)), STEADY + 1)
    pauses = [slot.on_end(take(slot, Child(served=True, code=1)), 0) for _ in range(12)]
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.8]
    assert pauses[-1] == LONGEST_PAUSE
    assert not slot.cannot_start(Child(code=1)), "it worked once"
    assert slot.on_end(take(slot, Child(served=True, started=0, code=1)), STEADY + 1) == 0


def test_a_child_that_never_worked_is_tried_three_times(slot):
    verdicts = []
    for _ in range(3):
        child = take(slot, Child(code=1))
        slot.on_end(child, 0)
        verdicts.append(slot.cannot_start(child))
    assert verdicts == [False, False, True]


def test_failed_starts_have_back_off(slot):
    assert [slot.on_start_failure(10.0) for _ in range(3)] == [0.1, 0.2, 0.4]
    assert slot.due == 10.4


def test_unusable_options_are_tried_once(slot):
    child = take(slot, Child(code=2))
    slot.on_end(child, 0)
    assert slot.cannot_start(child)


def test_a_successor_takes_over(slot):
    old, new = take(slot, Child(served=True)), Child(served=True)
    slot.successor = new
    assert slot.promote() is old
    assert (slot.child, slot.successor) == (new, None)

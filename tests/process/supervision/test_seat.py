import pytest

from pylb.process.supervision.child import SERVING, STARTING
from pylb.process.supervision.seat import LONGEST_PAUSE, STEADY, Seat


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
def seat():
    return Seat("worker", "worker 1", 0, [])


def take(seat, child):
    seat.child = child
    return child


def test_ready_is_who_serves(seat):
    assert not seat.ready()
    child = take(seat, Child())
    assert not seat.ready()
    child.served = True
    assert seat.ready()


def test_an_accident_is_made_good_at_once_again_and_again(seat):
    for now in range(10, 100, 10):
        child = take(seat, Child(served=True, started=now - STEADY - 1, code=-9))
        assert seat.left_by(child, now) == 0
        assert (seat.child, seat.due) == (None, now)
        assert not seat.hopeless(child)


def test_one_that_never_lasts_is_started_less_and_less_often(seat):
    seat.left_by(take(seat, Child(served=True, code=1)), STEADY + 1)
    pauses = [seat.left_by(take(seat, Child(served=True, code=1)), 0) for _ in range(12)]
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.8]
    assert pauses[-1] == LONGEST_PAUSE
    assert not seat.hopeless(Child(code=1)), "it worked once"
    assert seat.left_by(take(seat, Child(served=True, started=0, code=1)), STEADY + 1) == 0


def test_what_never_worked_is_tried_three_times(seat):
    verdicts = []
    for _ in range(3):
        child = take(seat, Child(code=1))
        seat.left_by(child, 0)
        verdicts.append(seat.hopeless(child))
    assert verdicts == [False, False, True]


def test_a_start_that_failed_is_tried_again_later_and_later(seat):
    assert [seat.not_started(10.0) for _ in range(3)] == [0.1, 0.2, 0.4]
    assert seat.due == 10.4


def test_options_that_cannot_be_used_are_tried_once(seat):
    child = take(seat, Child(code=2))
    seat.left_by(child, 0)
    assert seat.hopeless(child)


def test_a_successor_takes_over(seat):
    old, new = take(seat, Child(served=True)), Child(served=True)
    seat.successor = new
    assert seat.promote() is old
    assert (seat.child, seat.successor) == (new, None)

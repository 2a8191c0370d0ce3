import pytest

from pylb.http2.errors import ErrorCode, SessionError
from pylb.http2.guard import (
    ODDITIES,
    ODDITIES_PER_SECOND,
    RESETS,
    RESETS_PER_SECOND,
    SUSPICIOUS,
    WORK_AT_ONCE,
    WORK_IF_SUSPECT,
    Guard,
)


def exhausted(charge, times):
    """Whether the last of so many charges is too much, and none before."""
    for _ in range(times - 1):
        charge()
    with pytest.raises(SessionError) as caught:
        charge()
    return caught.value.code is ErrorCode.ENHANCE_YOUR_CALM


def test_odd_frames_have_a_budget():
    assert exhausted(Guard().odd, ODDITIES + 1)


def test_time_refills_the_budget_of_odd_frames_up_to_its_size():
    guard = Guard()
    guard.odd(ODDITIES)
    guard.passed(0.25)
    assert guard.oddities == ODDITIES_PER_SECOND / 4
    guard.passed(1e6)
    assert guard.oddities == ODDITIES


def test_new_streams_are_refused_before_resets_end_the_session():
    guard = Guard()
    for _ in range(RESETS):
        assert not guard.refuses
        guard.reset()
    assert guard.refuses
    assert exhausted(guard.reset, RESETS + 1)


def test_a_completed_request_pays_for_a_reset():
    guard = Guard()
    for _ in range(RESETS * 10):
        guard.reset()
        guard.completed()
    assert not guard.refuses
    guard.completed()
    assert guard.resets == RESETS


def test_time_pays_for_resets():
    guard = Guard()
    for _ in range(RESETS):
        guard.reset()
    guard.passed(1.0)
    assert not guard.refuses
    assert guard.resets == RESETS_PER_SECOND
    guard.passed(1e6)
    assert guard.resets == RESETS


def test_a_bad_head_costs_a_unit_besides_the_one_that_its_response_gives_back():
    guard = Guard()
    for _ in range(RESETS):
        assert not guard.refuses
        guard.bad_head()
        guard.completed()
    assert guard.refuses


@pytest.mark.parametrize("cause", [Guard.odd, Guard.reset, Guard.bad_head])
def test_a_session_that_causes_useless_work_may_cause_less_at_once_for_a_while(cause):
    guard = Guard()
    for _ in range(SUSPICIOUS):
        cause(guard)
    assert guard.work_at_once == WORK_AT_ONCE
    cause(guard)
    assert guard.work_at_once == WORK_IF_SUSPECT
    guard.passed(0.25)
    assert guard.work_at_once == WORK_IF_SUSPECT, "it was active until now"
    cause(guard)
    guard.passed(0.25)
    assert guard.work_at_once == WORK_AT_ONCE

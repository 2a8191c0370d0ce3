from collections import Counter
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.discovery.guard import Guard
from pylb.model import Snapshot
from tests.discovery.snapshots import endpoint, numbers, snapshot

NOW = 1000.0


@pytest.fixture
def guard():
    """It has seen three healthy instances."""
    guard = Guard(Counter(), empty_guard=10.0, settle=1.0)
    guard.evaluate(snapshot(1, 2, 3), NOW)
    return guard


def test_the_first_snapshot_is_applied():
    assert numbers(Guard(Counter()).evaluate(snapshot(), NOW)) == []
    assert numbers(Guard(Counter()).evaluate(snapshot(1, untrusted_reason="stale"), NOW)) == [1]


@pytest.mark.parametrize(
    "seen",
    [
        snapshot(1, 2),
        snapshot(),
        snapshot(1, critical=[2, 3]),
        snapshot(1, maintenance=[2, 3]),
        snapshot(maintenance=[1, 2, 3]),
        snapshot(1, 2, maintenance=[3], untrusted_reason="stale"),
    ],
    ids=["deregistered", "all deregistered", "critical", "maintenance", "all maintenance", "despite doubt"],
)
def test_a_trusted_snapshot_is_applied_immediately(guard, seen):
    assert guard.evaluate(seen, NOW) is seen
    assert (guard.due, guard.retained) == (inf, {})


def test_additions_and_changes_are_applied_immediately_even_if_untrusted(guard):
    guard.lost_contact("refused")
    moved = Snapshot(
        "web", (endpoint(1, port=9101), endpoint(2), endpoint(3), endpoint(4)), untrusted_reason="stale"
    )
    assert guard.evaluate(moved, NOW) is moved


@pytest.mark.parametrize("status", ["critical", "warning"])
def test_if_all_become_critical_the_last_healthy_ones_are_retained(guard, status):
    ill = snapshot(**{status: [1, 2, 3]})
    kept = guard.evaluate(ill, NOW)
    assert (numbers(kept), kept.excluded, kept.untrusted_reason) == (
        [1, 2, 3],
        (),
        "no healthy instance would be left",
    )
    assert guard.due == NOW + 10
    assert numbers(guard.evaluate(ill, NOW + 9.9)) == [1, 2, 3]
    assert guard.evaluate(ill, NOW + 10) is ill
    assert (guard.due, guard.reason) == (inf, "")


def test_retention_ends_with_the_first_healthy_instance(guard):
    guard.evaluate(snapshot(critical=[1, 2, 3]), NOW)
    assert numbers(guard.evaluate(snapshot(1, critical=[2, 3]), NOW + 1)) == [1]


@pytest.mark.parametrize("seen", [snapshot(), snapshot(maintenance=[1, 2, 3])])
def test_maintenance_ends_the_retention(guard, seen):
    guard.evaluate(snapshot(critical=[1, 2, 3]), NOW)
    assert numbers(guard.evaluate(seen, NOW + 1)) == []


def test_only_the_last_healthy_instance_is_retained(guard):
    assert numbers(guard.evaluate(snapshot(1, 2, critical=[3]), NOW)) == [1, 2]
    assert numbers(guard.evaluate(snapshot(1, critical=[2, 3]), NOW)) == [1]
    assert numbers(guard.evaluate(snapshot(critical=[1, 2, 3]), NOW)) == [1]


def test_an_empty_registry_after_lost_contact_removes_nothing(guard):
    guard.lost_contact("connection refused")
    kept = guard.evaluate(snapshot(), NOW + 60)
    assert numbers(kept) == [1, 2, 3]
    assert kept.untrusted_reason == "contact was lost (connection refused)"
    assert guard.due == inf
    assert numbers(guard.evaluate(snapshot(), NOW + 86400)) == [1, 2, 3]


def test_instances_that_return_one_by_one_keep_the_others_retained(guard):
    guard.lost_contact("refused")
    guard.evaluate(snapshot(), NOW)
    assert numbers(guard.evaluate(snapshot(1), NOW + 5)) == [1, 2, 3]
    assert guard.due == NOW + 15
    assert numbers(guard.evaluate(snapshot(1, 2), NOW + 6)) == [1, 2, 3]
    assert guard.due == NOW + 7
    back = snapshot(1, 2, 3)
    assert guard.evaluate(back, NOW + 6.5) is back
    assert guard.due == inf


def test_as_many_instances_as_are_missing_settle_soon(guard):
    """Not the same ones came back, but as many: the old ones have been replaced."""
    guard.lost_contact("refused")
    guard.evaluate(snapshot(), NOW)
    new = snapshot(7, 8, 9)
    assert numbers(guard.evaluate(new, NOW + 5)) == [1, 2, 3, 7, 8, 9]
    assert numbers(guard.evaluate(new, NOW + 5.9)) == [1, 2, 3, 7, 8, 9]
    assert guard.evaluate(new, NOW + 6) is new


def test_fewer_instances_than_are_missing_settle_late(guard):
    guard.lost_contact("refused")
    one = snapshot(1)
    guard.evaluate(one, NOW)
    assert numbers(guard.evaluate(one, NOW + 9.9)) == [1, 2, 3]
    assert guard.evaluate(one, NOW + 10) is one


def test_an_untrusted_registry_that_changes_does_not_settle(guard):
    guard.lost_contact("refused")
    guard.evaluate(snapshot(1, 2), NOW)
    for count in range(1, 20):
        new = [10 + n for n in range(count)]
        assert set(numbers(guard.evaluate(snapshot(1, 2, *new), NOW + 0.9 * count))) == {1, 2, 3, *new}


def test_a_returned_instance_can_be_deregistered(guard):
    """The new registry listed it and, long enough after its start, no longer does: that is its own word."""
    guard.lost_contact("refused")
    guard.evaluate(snapshot(1, 2), NOW)
    guard.evaluate(snapshot(1, 2), NOW + 2)
    assert numbers(guard.evaluate(snapshot(1), NOW + 11)) == [1]


def test_a_recently_restored_registry_is_untrusted_if_empty(guard):
    """The servers may remember what the restarted agent is about to deregister."""
    guard.lost_contact("refused")
    guard.evaluate(snapshot(1, 2, 3), NOW)
    assert numbers(guard.evaluate(snapshot(), NOW + 9)) == [1, 2, 3]
    assert guard.reason == "reconnected to the registry less than 10 s ago"


def test_a_registry_is_trusted_again_after_ten_seconds(guard):
    guard.lost_contact("refused")
    guard.evaluate(snapshot(1, 2, 3), NOW)
    assert numbers(guard.evaluate(snapshot(), NOW + 10)) == []


def test_an_untrusted_snapshot_removes_nothing_before_it_settles(guard):
    doubtful = snapshot(1, 2, untrusted_reason="filtered by ACLs")
    assert numbers(guard.evaluate(doubtful, NOW)) == [1, 2, 3]
    assert numbers(guard.evaluate(doubtful, NOW + 1)) == [1, 2]
    assert numbers(guard.evaluate(snapshot(untrusted_reason="filtered by ACLs"), NOW + 2)) == [1, 2]
    assert guard.due == inf


def test_the_checks_of_a_restarted_registry_begin_critical(guard):
    guard.lost_contact("refused")
    guard.evaluate(snapshot(), NOW)
    assert numbers(guard.evaluate(snapshot(critical=[1, 2, 3]), NOW + 1)) == [1, 2, 3]
    assert guard.due == inf
    assert numbers(guard.evaluate(snapshot(1, critical=[2, 3]), NOW + 9)) == [1, 2, 3]
    assert numbers(guard.evaluate(snapshot(1, 2, critical=[3]), NOW + 9.5)) == [1, 2, 3]
    assert numbers(guard.evaluate(snapshot(1, 2, 3), NOW + 9.9)) == [1, 2, 3]
    assert guard.retained == {}


def test_nothing_is_removed_without_contact(guard):
    ill = snapshot(critical=[1, 2, 3])
    guard.evaluate(ill, NOW)
    guard.lost_contact("refused")
    assert guard.due == inf
    assert numbers(guard.evaluate(ill, NOW + 60)) == [1, 2, 3]
    assert guard.due == inf


def test_lost_contact_restarts_the_settling(guard):
    guard.lost_contact("refused")
    guard.evaluate(snapshot(1, 2), NOW)
    guard.lost_contact("refused")
    assert numbers(guard.evaluate(snapshot(1, 2), NOW + 60)) == [1, 2, 3]
    assert guard.due == NOW + 61


def test_a_new_registration_of_an_address_replaces_the_retained_one(guard):
    guard.lost_contact("refused")
    guard.evaluate(snapshot(), NOW)
    again = Snapshot("web", (endpoint(1, id="other-1"), endpoint(2, id="other-2"), endpoint(3, id="other-3")))
    assert guard.evaluate(again, NOW + 1) is again


def test_a_new_registration_of_an_instance_replaces_the_retained_one(guard):
    guard.lost_contact("refused")
    guard.evaluate(snapshot(), NOW)
    moved = Snapshot("web", (endpoint(1, port=81), endpoint(2, port=82), endpoint(3, port=83)))
    assert guard.evaluate(moved, NOW + 1) is moved
    assert guard._guards["flap_absorbed"] == 3


def test_critical_instances_can_have_a_grace_period():
    guard = Guard(Counter(), critical_grace=3.0)
    guard.evaluate(snapshot(1, 2, 3), NOW)
    assert numbers(guard.evaluate(snapshot(1, 2, critical=[3]), NOW)) == [1, 2, 3]
    assert numbers(guard.evaluate(snapshot(1, critical=[3]), NOW + 1)) == [1, 3]
    assert guard.due == NOW + 3
    assert numbers(guard.evaluate(snapshot(1, critical=[3]), NOW + 3)) == [1]


def test_without_the_guard_every_snapshot_is_applied():
    guard = Guard(Counter(), empty_guard=0.0)
    guard.evaluate(snapshot(1), NOW)
    guard.lost_contact("refused")
    assert numbers(guard.evaluate(snapshot(untrusted_reason="stale"), NOW)) == []


def test_guards_are_counted_by_name():
    guard = Guard(counts := Counter())
    guard.evaluate(snapshot(1, 2, 3), NOW)
    guard.evaluate(snapshot(critical=[1, 2, 3]), NOW)
    guard.evaluate(snapshot(1, 2, 3), NOW + 1)
    guard.evaluate(snapshot(1, 2, untrusted_reason="stale"), NOW + 2)
    guard.evaluate(snapshot(1, 2, untrusted_reason="stale"), NOW + 2.5)
    assert counts == {"retained_empty": 1, "flap_absorbed": 3, "retained_untrusted": 1}


def test_log_lines_name_some_instances_and_count_the_others(caplog):
    guard = Guard(Counter())
    guard.evaluate(snapshot(*range(1, 21)), NOW)
    guard.evaluate(snapshot(1, untrusted_reason="stale"), NOW)
    (message,) = caplog.messages
    assert message.startswith(
        "web: retaining web-2, web-3, web-4, web-5, web-6, web-7, web-8, web-9 and 11 more, "
    )
    assert message.endswith("which the registry does not confirm: stale")


states = st.dictionaries(
    st.integers(1, 5), st.sampled_from(["healthy", "critical", "maintenance"]), max_size=5
)
steps = st.lists(
    st.tuples(states, st.sampled_from(["", "", "stale"]), st.booleans(), st.floats(0, 20)), max_size=12
)


@given(steps)
def test_invariants_hold_for_any_sequence(history):
    """Listed instances are used immediately, other ones only if they were used before, and none is retained
    without cause."""
    guard = Guard(Counter(), empty_guard=10.0, settle=1.0)
    now, used = NOW, set()
    for states, untrusted_reason, lost, pause in history:
        now += pause
        while guard.due <= now:
            used = set(numbers(guard.evaluate(seen, guard.due)))  # noqa: F821  # there is one when due is finite
        if lost:
            guard.lost_contact("refused")
        by = {"healthy": [], "critical": [], "maintenance": []}
        for number, state in states.items():
            by[state].append(number)
        seen = snapshot(
            *by["healthy"],
            critical=by["critical"],
            maintenance=by["maintenance"],
            untrusted_reason=untrusted_reason,
        )
        result = guard.evaluate(seen, now)
        kept = set(numbers(result)) - set(by["healthy"])
        assert set(by["healthy"]) <= set(numbers(result))
        assert kept <= used
        assert not kept & set(by["maintenance"])
        assert len({e.key for e in result.endpoints}) == len(result.endpoints)
        assert not {e.key for e in result.endpoints} & {x.endpoint.key for x in result.excluded}
        if (untrusted_reason or lost) and not by["healthy"]:
            assert kept >= used - set(by["maintenance"])
        used = set(numbers(result))
    while guard.due <= now + 3600:
        used = set(numbers(guard.evaluate(seen, guard.due)))
    if history and by["healthy"]:
        assert used == set(by["healthy"])

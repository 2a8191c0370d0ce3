import pytest

from pylb.model import Endpoint, Excluded, PoolState
from pylb.observe.history import History

ONE, TWO, THREE = (Endpoint("web", f"10.0.0.{n}", 80, id=f"web-{n}") for n in (1, 2, 3))
HEAVY = Endpoint("web", "10.0.0.1", 80, id="web-1", weight=5)


def test_an_entry_has_added_changed_and_removed_backends_and_the_cause():
    history = History()
    history.record(PoolState("web", (ONE, TWO), generation=1, observed=10.0, cause="consul index 1"))
    entry = history.record(
        PoolState(
            "web",
            (HEAVY, THREE),
            (Excluded(TWO, "critical: TCP connect refused"),),
            generation=2,
            observed=12.0,
            cause="consul index 2",
            untrusted_reason="filtered by ACLs",
        )
    )
    assert (entry.added, entry.changed) == (("web-3",), ("web-1",))
    assert entry.removed == ("web-2 (critical: TCP connect refused)",)
    assert (entry.time, entry.generation, entry.instances) == (12.0, 2, 2)
    assert (entry.cause, entry.untrusted_reason) == ("consul index 2", "filtered by ACLs")
    assert (entry.applied, entry.routed) == (None, None), "nothing is claimed that was not measured"


def test_services_have_separate_histories():
    history = History()
    history.record(PoolState("web", (ONE,)))
    other = history.record(PoolState("api", ()))
    assert other.removed == ()
    assert [e.service for e in history.since(0)] == ["web", "api"]
    assert [e.service for e in history.since(1)] == ["api"]
    assert [e.service for e in history.since(0, service="web")] == ["web"]


def test_the_oldest_entry_is_dropped_and_numbers_are_not_reused():
    history = History(size=2)
    for _ in range(3):
        history.record(PoolState("web", ()))
    assert [e.number for e in history.since()] == [2, 3]


def test_propagation_times_start_at_detection_and_listeners_are_called():
    history, calls = History(), []
    history.listeners.add(lambda: calls.append(1))
    entry = history.record(PoolState("web", (ONE,), observed=100.0))
    history.was_applied(entry, 100.5)
    history.was_routed(entry, 102.0)
    assert (entry.applied, entry.routed) == (0.5, 2.0)
    assert sum(history.applied["web"].buckets) == sum(history.routed["web"].buckets) == 1
    assert len(calls) == 2


def test_a_clock_set_back_gives_no_negative_time():
    history = History()
    entry = history.record(PoolState("web", (), observed=100.0))
    history.was_applied(entry, 99.0)
    assert entry.applied == 0.0


def test_entries_of_a_previous_process_come_first():
    former, history = History(), History()
    former.record(PoolState("web", (ONE,), generation=7, cause="consul index 7"))
    history.restore([e.as_dict() for e in former.entries], [PoolState("web", (ONE,))])
    assert list(history.entries) == list(former.entries)
    own = history.record(PoolState("web", (ONE, TWO)))
    assert (own.number, own.added) == (2, ("web-2",)), "what the former one knew is not added once more"
    former.record(PoolState("web", (ONE, THREE), generation=8))
    history.restore([{**e.as_dict(), "added": list(e.added)} for e in former.entries], [])
    assert [(e.number, e.added) for e in history.since()] == [
        (1, ("web-1",)),
        (2, ("web-3",)),
        (3, ("web-2",)),
    ]
    assert history.record(PoolState("web", (ONE,))).number == 4


def test_a_history_of_another_version_is_rejected():
    history = History()
    history.record(PoolState("web", (ONE,)))
    entry = history.entries[0].as_dict()
    with pytest.raises(TypeError):
        history.restore([entry, {**entry, "colour": "blue"}], [])
    assert len(history.entries) == 1


def test_a_removed_service_leaves_only_its_entries():
    history = History()
    entry = history.record(PoolState("web", (ONE,)))
    history.was_applied(entry, 1.0)
    history.was_routed(entry, 1.0)
    history.forget("web")
    assert (history.applied, history.routed) == ({}, {})
    assert history.record(PoolState("web", (ONE,))).added == ("web-1",)
    assert len(history.entries) == 2

import pytest

from pylb.observe import route_totals
from pylb.observe.route_totals import FURTHER, RouteTotals


@pytest.fixture
def declared():
    return {"web", "api"}


@pytest.fixture
def totals(declared):
    return RouteTotals(declared.__contains__)


def test_the_counts_of_all_workers_are_added_up_and_outlive_them(totals):
    totals.update("one", [("web", "/a", 3, 1)])
    totals.update("two", [("web", "/a", 2, 0), ("api", "/b", 1, 0)])
    totals.update("one", [("web", "/a", 4, 1)])
    expected = {("web", "/a"): [6, 1], ("api", "/b"): [1, 0]}
    assert totals.totals() == expected
    totals.end("one")
    totals.end("never seen")
    assert totals.totals() == expected


def test_the_number_of_routes_is_bounded(totals, monkeypatch):
    monkeypatch.setattr(route_totals, "MOST_ROUTES", 2)
    totals.update("one", [("web", f"/{n}", 1, 0) for n in range(5)])
    assert totals.totals() == {("web", "/0"): [1, 0], ("web", "/1"): [1, 0], FURTHER: [3, 0]}


def test_a_removed_service_makes_room_and_no_total_decreases(totals, declared, monkeypatch):
    monkeypatch.setattr(route_totals, "MOST_ROUTES", 2)
    counted = [("api", "/b", 5, 0), ("web", "/a", 2, 1), ("web", "/c", 3, 0), (*FURTHER, 4, 0)]
    totals.update("one", counted)
    declared.discard("api")
    totals.forget("api")
    totals.update("one", [("api", "/b", 6, 0), *counted[1:]])
    assert totals.totals() == {("web", "/a"): [2, 1], FURTHER: [7, 0]}, "a late message adds nothing"
    totals.update("one", [("web", "/a", 3, 1), ("web", "/c", 4, 0), (*FURTHER, 4, 0)])
    assert totals.totals() == {("web", "/a"): [3, 1], ("web", "/c"): [1, 0], FURTHER: [7, 0]}
    declared.add("api")
    totals.update("one", [("api", "/b", 1, 1)])
    assert totals.totals()[FURTHER] == [8, 1]


def test_the_counts_of_a_service_that_returns_begin_anew(totals):
    totals.update("one", [("web", "/a", 9, 0)])
    totals.forget("web")
    totals.update("one", [("web", "/a", 2, 0)])
    assert totals.totals() == {("web", "/a"): [2, 0]}

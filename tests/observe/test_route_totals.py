from pylb.observe import route_totals
from pylb.observe.route_totals import FURTHER, RouteTotals


def test_the_counts_of_all_workers_are_added_up_and_outlive_them():
    totals = RouteTotals()
    totals.update("one", [("web", "/a", 3, 1)])
    totals.update("two", [("web", "/a", 2, 0), ("api", "/b", 1, 0)])
    totals.update("one", [("web", "/a", 4, 1)])
    expected = {("web", "/a"): [6, 1], ("api", "/b"): [1, 0]}
    assert totals.totals() == expected
    totals.end("one")
    totals.end("never seen")
    assert totals.totals() == expected


def test_the_number_of_routes_is_bounded(monkeypatch):
    monkeypatch.setattr(route_totals, "MOST_ROUTES", 2)
    totals = RouteTotals()
    totals.update("one", [("web", f"/{n}", 1, 0) for n in range(5)])
    assert totals.totals() == {("web", "/0"): [1, 0], ("web", "/1"): [1, 0], FURTHER: [3, 0]}

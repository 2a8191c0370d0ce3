from pylb.observe import route_totals
from pylb.observe.record import Record
from pylb.observe.route_totals import FURTHER
from pylb.routes.compiled import CompiledRoute
from pylb.routes.fit import Fit
from pylb.routes.grammar import parse_route
from pylb.sinks.route_counts import RouteCounts


def record(service="web", route="/a", status=200):
    made = Record("192.0.2.1", 1.0)
    made.service, made.status = service, status
    if route:
        compiled = CompiledRoute(
            parse_route(service, route), None, lambda _: True, ((0,), ((0, 0), service, 0))
        )
        made.fit = Fit(compiled, route.encode(), route.encode())
    return made


def test_requests_and_errors_are_counted_by_route():
    counts = RouteCounts()
    for each in (record(), record(status=503), record(route=""), record(service="")):
        counts.add(each)
    assert counts.totals() == [("web", "/a", 2, 1), ("web", "", 1, 0)]


def test_further_routes_are_counted_together(monkeypatch):
    monkeypatch.setattr(route_totals, "MOST_ROUTES", 2)
    counts = RouteCounts()
    for number in range(5):
        counts.add(record(route=f"/{number}"))
    assert counts.totals() == [("web", "/0", 1, 0), ("web", "/1", 1, 0), (*FURTHER, 3, 0)]


def test_the_counts_of_a_removed_service_make_room(monkeypatch):
    monkeypatch.setattr(route_totals, "MOST_ROUTES", 1)
    counts = RouteCounts()
    counts.add(record("gone"))
    counts.add(record("web"))
    counts.forget("gone")
    counts.add(record("web"))
    assert counts.totals() == [(*FURTHER, 1, 0), ("web", "/a", 1, 0)]
    counts.forget("never seen")

"""The bound of the cost of routes, and the routes that are measured."""

from bench.hotpath.routes import ONE, ROUTES, STRIPPED, TWENTY, evaluate
from bench.lib.sample import Sample
from tests.every import every
from tests.routes.heads import table
from tests.routes.outcome import outcome


def samples(cpu, errors=0):
    return [
        Sample("small", name, number, of_side, 0.0, 1.0, 1.0, 1.0, 1.0, 1, errors)
        for number in (1, 2, 3)
        for name, of_side in ((ONE, 20.0), (TWENTY, cpu))
    ]


@every(("cpu", "errors", "holds"), [(21.9, 0, True), (22.1, 0, False), (20.0, 1, False)])
def test_the_cost_is_bounded_and_no_request_fails(cpu, errors, holds):
    assert evaluate(samples(cpu, errors)).holds is holds


def test_the_measured_requests_take_the_route_with_actions():
    routes = table(*ROUTES)
    assert len(routes.routes) == 20
    assert outcome(routes, f"GET http://127.0.0.1{STRIPPED.path}") == "api /small"

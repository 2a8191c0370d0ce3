import pytest

from pylb.routes.declaration import ServiceDeclaration
from pylb.routes.grammar import parse_route
from pylb.routes.merge import merge


def declared(*routes, order=(0, 0), source="test", **more):
    parsed = tuple(parse_route("web", each, source) for each in routes)
    return ServiceDeclaration("web", parsed, order=order, **more)


def check(settings):
    for name, value in settings:
        if value == "wrong":
            raise ValueError(f"{name}: got {value!r}")


def test_a_service_has_the_routes_of_all_and_the_first_backends_and_order():
    parts = [declared("/a", order=(0, 1)), declared("/b", order=(1, 0), backends="a:1"), declared("/c")]
    merged, problems = merge(parts, check)
    assert [route.match.path for route in merged.routes] == ["/a", "/b", "/c"]
    assert (merged.backends, merged.order, problems) == ("a:1", (0, 1), ())


@pytest.mark.parametrize(("second", "contradicts"), [("5s", True), ("1000ms", False)])
def test_the_first_value_of_a_setting_counts(second, contradicts):
    parts = [
        declared("/a", settings=(("slow-start", "1s"),)),
        declared("/b", settings=(("slowstart", second),)),
    ]
    merged, problems = merge(parts, check)
    assert merged.settings == (("slow-start", "1s"),)
    assert bool(problems) is contradicts


def test_a_setting_of_the_pool_leaves_its_route_and_an_invalid_one_is_a_problem():
    part = declared("/a policy=random retries=wrong response-timeout=5s", source="file, line 2")
    merged, (problem,) = merge([part], check)
    assert merged.settings == (("policy", "random"),)
    assert merged.origins == ("file, line 2",)
    assert merged.routes[0].settings == (("response-timeout", "5s"),)
    assert (problem.text, problem.source) == ("setting retries: got 'wrong'", "file, line 2")

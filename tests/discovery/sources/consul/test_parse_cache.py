from copy import deepcopy

from hypothesis import given
from hypothesis import strategies as st

from pylb.discovery.sources.consul.health import parse_instances
from pylb.discovery.sources.consul.parse_cache import LOOK_AHEAD, ParseCache
from tests.clients.scripted_consul import instance


def answer(*numbers, **fields):
    """As it comes from the wire: equal to what came before, and never the same object."""
    return [deepcopy(instance(number, **fields)) for number in numbers]


def read(cache, items):
    endpoints, _ = parse_instances("web", items, parse=cache.next())
    return {endpoint.id: endpoint for endpoint in endpoints}


def test_a_repeated_entry_is_the_same_object():
    cache = ParseCache()
    before = read(cache, answer(1, 2, 3))
    for numbers in ((1, 2, 3), (1, 2, 3, 4), (0, 1, 2, 3), (1, 3), (3,)):
        after = read(cache, answer(*numbers))
        assert len(after) == len(numbers)
        assert all(after[name] is endpoint for name, endpoint in before.items() if name in after)


def test_a_changed_entry_is_parsed():
    cache = ParseCache()
    before = read(cache, answer(1, 2, 3))
    after = read(cache, [*answer(1), *answer(2, Tags=["v2"]), *answer(3)])
    assert after["web-1"] is before["web-1"]
    assert after["web-2"].tags == ("v2",)
    assert after["web-3"] is before["web-3"]


def test_after_many_removals_the_rest_is_parsed_and_stored():
    cache = ParseCache()
    before = read(cache, answer(*range(1, LOOK_AHEAD + 3)))
    (after,) = read(cache, answer(LOOK_AHEAD + 2)).values()
    assert after == before[after.id]
    assert read(cache, answer(LOOK_AHEAD + 2))[after.id] is after


def test_an_invalid_entry_is_excluded_each_time():
    cache = ParseCache()
    for _ in range(2):
        endpoints, excluded = parse_instances("web", [*answer(1), "no instance"], parse=cache.next())
        assert [endpoint.id for endpoint in endpoints] == ["web-1"]
        assert [each.cause for each in excluded] == ["invalid"]


@given(
    st.lists(st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["v1", "v2"])), max_size=8), max_size=6)
)
def test_cached_results_match_the_parser(answers):
    cache = ParseCache()
    for described in answers:
        items = [instance(number, Tags=[tag], Meta={"of": tag}) for number, tag in described]
        assert parse_instances("web", items, parse=cache.next()) == parse_instances("web", deepcopy(items))

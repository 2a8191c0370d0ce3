"""`filter=` chooses the same instances, or is refused for the same reason."""

import asyncio
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.slow

INSTANCES = [
    {
        "ID": "@0",
        "Port": 1,
        "Tags": ["v1", "a"],
        "Meta": {"k": "1"},
        "Check": {"TTL": "9m", "Status": "passing"},
    },
    {"ID": "@1", "Port": 2, "Tags": ["V1", "in"], "Meta": {"k": "2", "x-y": "z"}, "Check": {"TTL": "9m"}},
    {"ID": "@2", "Port": 3, "Address": "10.0.0.3", "EnableTagOverride": True, "Weights": {"Passing": 9}},
]


def expressions(name):
    """Those of one file of `filters/`, one on each line; `@` is the test's prefix."""
    return (Path(__file__).parent / "filters" / name).read_text().splitlines()


ACCEPTED = [*expressions("accepted.txt"), "", "  Service.ID == @1  ", "Service.ID\n==\t@1"]
REFUSED = [*expressions("refused.txt"), 'Service.ID == "a\nb"', " "]
PREFIX = "Failed to create boolean expression evaluator: "


def reason(text):
    """Why a filter is refused: Consul's words, but for syntax, where only that it is at fault must agree."""
    assert text.startswith((PREFIX, "Failed to compile regular expression")), text
    rest = text.removeprefix(PREFIX)
    syntax = re.match(r"\d+:\d+ \(\d+\)|invalid syntax", rest)
    return "syntax" if syntax else re.sub(r'("\["): .*', r"\1", rest)


@pytest.fixture
async def both(devserver, real):
    for api in (devserver, real):
        for instance in INSTANCES:
            await api.register({"Name": "@web", **instance})
        await api.catalogued(instances=len(INSTANCES))
    return devserver, real


async def chosen(api, expression, path="/v1/health/service/@web", field=None):
    """Which entries a filter lets through, or why it is refused."""
    reply = await api.get(path, filter=expression)
    if reply.status == 200:
        return [entry[field] if field else entry["Service"]["ID"] for entry in reply.content]
    return reply.status, reason(reply.content)


async def test_filters_that_make_sense(both):
    for expression in ACCEPTED:
        got, expected = await asyncio.gather(*(chosen(api, expression) for api in both))
        assert isinstance(expected, list), (expression, expected)
        assert got == expected, expression


async def test_filters_that_do_not(both):
    for expression in REFUSED:
        got, expected = await asyncio.gather(*(chosen(api, expression) for api in both))
        assert isinstance(expected, tuple), (expression, expected)
        assert got == expected, expression


OTHER_ENTRIES = {
    ("catalog/service/@web", "ServiceID"): [
        "a in ServiceTags",
        "ServiceMeta.k == 2",
        "ServicePort != 1",
        "ServiceWeights.Passing == 9",
        "Service.ID == 1",
    ],
    ("health/checks/@web", "CheckID"): [
        "ServiceID == @1",
        "Status == critical",
        "ServiceTags contains a",
        "Foo == 1",
    ],
    ("health/state/any", "CheckID"): ["ServiceID == @1", "CheckID == serfHealth", "Notes == x"],
    ("catalog/nodes", "Datacenter"): ["Node == nowhere", "Meta is empty", "lan in TaggedAddresses"],
}


async def test_other_entries(both):
    for (path, field), wanted in OTHER_ENTRIES.items():
        for expression in wanted:
            got, expected = await asyncio.gather(
                *(chosen(api, expression, f"/v1/{path}", field) for api in both)
            )
            assert got == expected, (path, expression)


MATCHES = st.sampled_from([e for e in ACCEPTED if e.strip() and not e.strip().startswith("not ")])
EXPRESSIONS = st.recursive(
    MATCHES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" and ", " or "]), inner).map("".join),
        inner.map("not {}".format),
        inner.map("({})".format),
    ),
    max_leaves=5,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(expression=EXPRESSIONS)
async def test_any_combination(both, expression):
    """Precedence and grouping, on expressions that nobody thought of."""
    got, expected = await asyncio.gather(*(chosen(api, expression) for api in both))
    assert got == expected

import pytest
from aiohttp.test_utils import make_mocked_request

from pylb.registry.embedded.definitions import RequestError
from pylb.registry.embedded.exchange import ReadOptions, flag, read_options, reject_filter
from tests.every import every


def request(query):
    return make_mocked_request("GET", f"/v1/health/service/web?{query}")


@every(
    ("query", "options"),
    [
        ("", ReadOptions()),
        ("index=7&wait=90s&stale", ReadOptions(index=7, wait=90.0, consistency="stale")),
        ("max_stale=5s", ReadOptions(consistency="stale")),
        ("consistent", ReadOptions(consistency="consistent")),
        ("tag=a&tag=b", ReadOptions(tags=("a", "b"))),
        ("node-meta=a:b:c&node-meta=d", ReadOptions(node_meta={"a": "b:c", "d": ""})),
        ("dc=dc1&near=_agent&cached", ReadOptions()),
    ],
)
def test_options(query, options):
    assert read_options(request(query)) == options


@every("query", ["index=-1", "index=%D9%A1", "wait=5", "max_stale=", "stale&consistent", "dc=x", "ns=x"])
def test_invalid_options_are_rejected(query):
    with pytest.raises(RequestError):
        read_options(request(query))


@pytest.mark.parametrize(
    ("query", "on"),
    [("", False), ("passing", True), ("passing=", True), ("passing=T", True), ("passing=0", False)],
)
def test_flags(query, on):
    assert flag(request(query), "passing") is on


def test_a_filter_expression_is_rejected_unless_empty():
    reject_filter(request("filter="))
    with pytest.raises(RequestError, match="does not implement filter expressions") as rejection:
        reject_filter(request("filter=Service.Port==80"))
    assert rejection.value.status == 501

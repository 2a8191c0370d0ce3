from random import Random

import orjson
from hypothesis import given
from hypothesis import strategies as st

from pylb.discovery.sources.consul.health import parse_instances
from tests.clients.scripted_consul import instance
from tests.every import every


def read(*items, **options):
    return parse_instances("web", items, **options)


def only(*items, **options):
    endpoints, excluded = read(*items, **options)
    assert (len(endpoints), excluded) == (1, ())
    return endpoints[0]


def reason(*items, **options):
    endpoints, excluded = read(*items, **options)
    assert (endpoints, len(excluded)) == ((), 1)
    return excluded[0].reason


def check(status, check_id="service:web-1", **fields):
    defaults = {"Name": "tcp", "Output": "", "Notes": "", "ServiceID": "web-1"}
    return {"CheckID": check_id, "Status": status, **defaults, **fields}


def test_an_instance_is_parsed():
    found = only(
        instance(
            1, Tags=["b", "a"], Meta={"z": "1", "a": "2"}, Weights={"Passing": 7, "Warning": 1}, created=42
        )
    )
    assert found.key == ("dc1", "n1", "web-1")
    assert (found.service, found.authority, found.weight) == ("web", "127.0.0.1:9001", 7)
    assert (found.status, found.has_checks, found.created) == ("passing", True, 42)
    assert (found.tags, found.meta) == (("b", "a"), (("a", "2"), ("z", "1")))


def test_an_instance_without_address_has_that_of_its_node():
    assert only(instance(1, address="")).address == "10.9.9.9"


def test_the_zone_is_that_of_the_instance_or_else_of_its_node():
    item = instance(1, Meta={"lb_priority": "3"})
    item["Node"]["Meta"] = {"zone": "east-1"}
    assert (only(item).zone, only(item).priority) == ("east-1", 3)
    item["Service"]["Meta"]["lb_zone"] = "west-2"
    assert only(item).zone == "west-2"


def test_missing_weights_are_one():
    assert only(instance(1, Weights=None)).weight == 1


def test_an_instance_without_checks_passes_as_unchecked():
    item = instance(1)
    del item["Checks"][1]
    assert not only(item).has_checks
    item["Checks"] = []
    assert not only(item).has_checks


MAINTENANCE = check("critical", "_service_maintenance:web-1", Notes="upgrade")
NODE_MAINTENANCE = check("critical", "_node_maintenance", ServiceID="")
SERF = check("critical", "serfHealth", ServiceID="", Name="Serf Health Status", Output="Agent not live")


@every(
    ("checks", "status", "why"),
    [
        ([check("passing")], "passing", None),
        ([check("passing"), check("warning", Output="hot")], "warning", "warning: tcp: hot"),
        ([check("warning"), check("critical", Output="down\nmore")], "critical", "critical: tcp: down"),
        ([check("critical"), MAINTENANCE], "maintenance", "maintenance: upgrade"),
        ([check("passing"), NODE_MAINTENANCE], "maintenance", "maintenance"),
        ([check("passing"), SERF], "critical", "critical: Serf Health Status: Agent not live"),
        ([check("odd")], "critical", "critical: tcp"),
    ],
)
def test_the_worst_check_decides_and_gives_the_reason(checks, status, why):
    item = {**instance(1), "Checks": checks}
    endpoints, excluded = read(item)
    found = [*endpoints, *(e.endpoint for e in excluded)]
    assert [e.status for e in found] == [status]
    assert [e.reason for e in excluded] == ([why] if why else [])


def test_a_warning_instance_is_optionally_used_with_its_warning_weight():
    item = instance(1, "warning", Weights={"Passing": 10, "Warning": 2})
    assert reason(item).startswith("warning")
    assert only(item, include_warning=True).weight == 2
    assert (
        only(instance(1, "warning", Weights={"Passing": 10, "Warning": 0}), include_warning=True).weight == 0
    )


@every(
    ("item", "why"),
    [
        (instance(1, port=0), "expected a port from 1 to 65535, got 0"),
        (instance(1, port="80"), "Port: expected int, got '80'"),
        (instance(1, port=True), "Port: expected int, got True"),
        (instance(1, address="not a host"), "expected a host name or an IP address"),
        (instance(1, address="a\r\nHost: b"), "expected a host name or an IP address"),
        (instance(1, Tags="red"), "Tags: expected list"),
        (instance(1, Meta=["a"]), "Meta: expected dict"),
        (instance(1, address="a..b"), "expected a host name or an IP address, got 'a..b'"),
        (instance(1, address="a" * 64 + ".example"), "expected a host name or an IP address, got 'aaa"),
        (instance(1, Weights={"Passing": -1}), "expected a weight from 0 to 65535, got -1"),
        (instance(1, Weights={"Passing": 2**62}), f"expected a weight from 0 to 65535, got {2**62}"),
        ({**instance(1), "Checks": ["x"]}, "Checks: expected objects, got 'x'"),
        ({**instance(1), "Service": None}, "expected a port"),
        ("a string", "expected an object, got 'a string'"),
    ],
)
def test_an_invalid_instance_is_excluded_alone(item, why):
    endpoints, excluded = read(instance(7), item, instance(8))
    assert [e.id for e in endpoints] == ["web-7", "web-8"]
    assert [e.reason.startswith(f"invalid: {why}") for e in excluded] == [True]


def test_an_invalid_instance_keeps_its_name():
    _, excluded = read(instance(1, port=0), None)
    assert [e.endpoint.key for e in excluded] == [("", "", "#1"), ("dc1", "n1", "web-1")]


def test_of_two_on_one_address_the_newer_is_used():
    """What a re-created registrator leaves behind passes for ever."""
    old, new = instance(1, port=80, created=10), instance(2, port=80, created=20)
    for items in ([old, new], [new, old]):
        endpoints, excluded = read(*items)
        assert [e.id for e in endpoints] == ["web-2"]
        assert [(e.endpoint.id, e.reason) for e in excluded] == [
            ("web-1", "duplicate of web-2 at 127.0.0.1:80")
        ]


def test_a_newer_critical_instance_does_not_replace_an_older_one():
    endpoints, excluded = read(instance(1, port=80), instance(2, "critical", port=80))
    assert [e.id for e in endpoints] == ["web-1"]
    assert [e.endpoint.id for e in excluded] == ["web-2"]


def test_maintenance_of_the_newer_instance_excludes_the_address():
    newer = {**instance(2, port=80), "Checks": [MAINTENANCE]}
    endpoints, excluded = read(instance(1, port=80), newer)
    assert endpoints == ()
    assert [e.endpoint.id for e in excluded] == ["web-1", "web-2"]


def test_the_same_id_on_two_nodes_is_two_instances():
    other = instance(1, port=81)
    other["Node"] = {"Node": "n2", "Datacenter": "dc1"}
    assert [e.key for e in read(instance(1), other)[0]] == [("dc1", "n1", "web-1"), ("dc1", "n2", "web-1")]


def test_the_order_of_the_answer_does_not_matter():
    items = [instance(n, "critical" if n % 3 == 0 else "passing", port=9000 + n // 2) for n in range(20)]
    shuffled = Random(1).sample(items, len(items))
    assert read(*items) == read(*shuffled)


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
valid = st.builds(
    instance,
    st.integers(0, 9),
    st.sampled_from(["passing", "warning", "critical"]),
    port=st.integers(1, 4),
    created=st.integers(0, 3),
    Weights=st.fixed_dictionaries({"Passing": st.integers(0, 2**64 - 1)}) | st.none(),
    Tags=st.sampled_from([[], ["lb_weight=1000"]]),
)


@st.composite
def nearly_valid(draw):
    """An instance with some JSON where something else should be."""
    whole = part = draw(valid)
    while True:
        name = draw(st.sampled_from(sorted(part) if isinstance(part, dict) else range(len(part))))
        if not part[name] or not isinstance(part[name], dict | list) or draw(st.booleans()):
            part[name] = draw(json)
            return whole
        part = part[name]


@given(st.lists(valid | nearly_valid() | json, max_size=8), st.booleans())
def test_any_item_is_used_or_excluded_once(items, include_warning):
    endpoints, excluded = read(*items, include_warning=include_warning)
    assert len(endpoints) + len(excluded) == len(items)
    assert len({e.authority for e in endpoints}) == len(endpoints)
    assert all(e.reason for e in excluded)
    # What cannot be encoded would keep the others from the workers, too.
    assert orjson.loads(orjson.dumps([endpoints, excluded]))

"""What a filter may ask of an entry is there in the entry."""

from pylb.registry.embedded.catalog import Check, CheckRow, Health, Node, ServiceRow
from pylb.registry.embedded.definitions import Service, ServiceAddress
from pylb.registry.embedded.kv import Entry
from pylb.registry.embedded.views import (
    AGENT_SERVICE,
    CATALOG_SERVICE,
    CHECK,
    HEALTH_ENTRY,
    NODE,
    agent_service,
    catalog_service,
    check_row,
    health_entry,
    kv_entry,
    node_view,
)

SERVICE = Service("1", "web", ("t",), "10.0.0.1", 80, {"k": "v"}, {"lan": ServiceAddress("10.0.0.1", 80)})
CHECK_ROW = CheckRow(Check("c", "name", "passing", service_id="1"), 3, 4)
ROW = ServiceRow(SERVICE, 1, 2)
A_NODE = Node("id", "node", "127.0.0.1", "dc1")

FROM_ELSEWHERE = {"Kind", "ServiceKind"}
"""Fields that Consul leaves out when they are empty, which they always are here."""


def missing(kind, value):
    """The paths that may be asked for and that a view does not have."""
    if kind.items:
        return {path for item in value for path in missing(kind.items, item)}
    if kind.values:
        return {path for item in value.values() for path in missing(kind.values, item)}
    absent = set(kind.fields) - set(value if kind.fields else ()) - FROM_ELSEWHERE
    present = {name: inner for name, inner in kind.fields.items() if name in value}
    return absent | {f"{n}.{p}" for n, inner in present.items() for p in missing(inner, value[n])}


def test_every_field_of_every_type_is_in_its_view():
    assert missing(AGENT_SERVICE, agent_service(SERVICE)) == set()
    assert missing(CATALOG_SERVICE, catalog_service(ROW, A_NODE)) == set()
    assert missing(CHECK, check_row(CHECK_ROW, A_NODE)) == set()
    assert missing(HEALTH_ENTRY, health_entry(Health(ROW, (CHECK_ROW,)), A_NODE)) == set()
    assert missing(NODE, node_view(A_NODE)) == set()


def test_indexes():
    assert check_row(CHECK_ROW, A_NODE)["ModifyIndex"] == 4
    assert catalog_service(ROW, A_NODE)["CreateIndex"] == 1
    assert health_entry(Health(ROW, ()), A_NODE)["Service"]["ModifyIndex"] == 2


def test_a_key():
    assert kv_entry(Entry("a/b", b"\x00\xff", 7, 1, 2)) == {
        "LockIndex": 0,
        "Key": "a/b",
        "Flags": 7,
        "Value": "AP8=",
        "CreateIndex": 1,
        "ModifyIndex": 2,
    }
    assert kv_entry(Entry("a", b"", 0, 1, 2))["Value"] is None

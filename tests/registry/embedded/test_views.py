"""The JSON forms of services, checks, nodes and keys."""

from pylb.registry.embedded.catalog import Check, CheckRow, Health, Node, ServiceRow
from pylb.registry.embedded.definitions import Service, ServiceAddress
from pylb.registry.embedded.kv import Entry
from pylb.registry.embedded.views import (
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

AGENT_FIELDS = "ID Service Tags Meta Port Address TaggedAddresses Weights EnableTagOverride"
NODE_FIELDS = "ID Node Address Datacenter TaggedAddresses Meta CreateIndex ModifyIndex"
CHECK_FIELDS = (
    "Node CheckID Name Status Notes Output ServiceID ServiceName ServiceTags Type Definition"
    " CreateIndex ModifyIndex"
)
CATALOG_FIELDS = (
    "ID Node Address Datacenter TaggedAddresses NodeMeta ServiceKind ServiceID ServiceName ServiceTags"
    " ServiceAddress ServiceTaggedAddresses ServiceWeights ServiceMeta ServicePort ServiceEnableTagOverride"
    " ServiceProxy ServiceConnect CreateIndex ModifyIndex"
)


def test_each_view_has_the_fields_that_consul_documents():
    assert set(agent_service(SERVICE)) == set(AGENT_FIELDS.split())
    assert set(node_view(A_NODE)) == set(NODE_FIELDS.split())
    assert set(check_row(CHECK_ROW, A_NODE)) == set(CHECK_FIELDS.split())
    assert set(catalog_service(ROW, A_NODE)) == set(CATALOG_FIELDS.split())
    entry = health_entry(Health(ROW, (CHECK_ROW,)), A_NODE)
    assert set(entry) == {"Node", "Service", "Checks"}
    assert set(entry["Service"]) > set(AGENT_FIELDS.split())
    assert entry["Node"] == node_view(A_NODE)
    assert entry["Checks"] == [check_row(CHECK_ROW, A_NODE)]


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

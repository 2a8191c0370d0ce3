"""Services, checks, nodes and keys as Consul 1.8 writes them in JSON, and what a filter may ask of them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from pylb.registry.embedded.catalog import Check, CheckRow, Health, Node, ServiceRow
from pylb.registry.embedded.definitions import Service
from pylb.registry.embedded.filter import BOOLEAN, INTEGER, STRING, STRINGS, list_of, map_of, structure
from pylb.registry.embedded.kv import Entry

View = dict[str, Any]

_NO_PROXY: Mapping[str, Any] = {"MeshGateway": {}, "Expose": {}}


def agent_service(service: Service) -> View:
    """A service in answers of `/v1/agent`."""
    return {
        "ID": service.id,
        "Service": service.name,
        "Tags": service.tags,
        "Meta": service.meta,
        "Port": service.port,
        "Address": service.address,
        **_tagged("TaggedAddresses", service),
        "Weights": _weights(service),
        "EnableTagOverride": service.enable_tag_override,
    }


def health_entry(health: Health, node: Node) -> View:
    """An instance with its node and checks in answers of `/v1/health/service`."""
    return {
        "Node": node_view(node),
        "Service": _node_service(health.row),
        "Checks": [check_row(row, node) for row in health.checks],
    }


def node_services(rows: Iterable[ServiceRow], node: Node) -> View:
    """A node with the instances on it in answers of `/v1/catalog/node`."""
    return {"Node": node_view(node), "Services": {row.service.id: _node_service(row) for row in rows}}


def _node_service(row: ServiceRow) -> View:
    service = row.service
    return {
        "ID": service.id,
        "Service": service.name,
        "Tags": service.tags,
        "Address": service.address,
        **_tagged("TaggedAddresses", service),
        "Meta": service.meta or None,
        "Port": service.port,
        "Weights": _weights(service),
        "EnableTagOverride": service.enable_tag_override,
        "Proxy": _NO_PROXY,
        "Connect": {},
        **_indexes(row),
    }


def catalog_service(row: ServiceRow, node: Node) -> View:
    """An instance in answers of `/v1/catalog/service`."""
    service = row.service
    return {
        "ID": node.id,
        "Node": node.name,
        "Address": node.address,
        "Datacenter": node.datacenter,
        "TaggedAddresses": node.tagged_addresses,
        "NodeMeta": node.meta,
        "ServiceKind": "",
        "ServiceID": service.id,
        "ServiceName": service.name,
        "ServiceTags": service.tags,
        "ServiceAddress": service.address,
        **_tagged("ServiceTaggedAddresses", service),
        "ServiceWeights": _weights(service),
        "ServiceMeta": service.meta,
        "ServicePort": service.port,
        "ServiceEnableTagOverride": service.enable_tag_override,
        "ServiceProxy": _NO_PROXY,
        "ServiceConnect": {},
        **_indexes(row),
    }


def node_view(node: Node) -> View:
    """A node."""
    return {
        "ID": node.id,
        "Node": node.name,
        "Address": node.address,
        "Datacenter": node.datacenter,
        "TaggedAddresses": node.tagged_addresses,
        "Meta": node.meta,
        "CreateIndex": node.index,
        "ModifyIndex": node.index,
    }


def check_view(check: Check, node: Node, create_index: int = 0, modify_index: int = 0) -> View:
    """A check; its agent knows no indexes and says 0."""
    return {
        "Node": node.name,
        "CheckID": check.id,
        "Name": check.name,
        "Status": check.status,
        "Notes": check.notes,
        "Output": check.output,
        "ServiceID": check.service_id,
        "ServiceName": check.service_name,
        "ServiceTags": check.service_tags,
        "Type": check.type,
        "Definition": {},
        "CreateIndex": create_index,
        "ModifyIndex": modify_index,
    }


def check_row(row: CheckRow, node: Node) -> View:
    """A check as the catalog knows it."""
    return check_view(row.check, node, row.create_index, row.modify_index)


def _tagged(name: str, service: Service) -> View:
    addresses = {n: {"Address": a.address, "Port": a.port} for n, a in service.tagged_addresses.items()}
    return {name: addresses} if addresses else {}


def _weights(service: Service) -> View:
    return {"Passing": service.passing_weight, "Warning": service.warning_weight}


def _indexes(row: ServiceRow) -> View:
    return {"CreateIndex": row.create_index, "ModifyIndex": row.modify_index}


def kv_entry(entry: Entry) -> View:
    """A key with its value in base64; an empty value is null."""
    return {
        "LockIndex": 0,
        "Key": entry.key,
        "Flags": entry.flags,
        "Value": base64.b64encode(entry.value).decode() or None,
        "CreateIndex": entry.create_index,
        "ModifyIndex": entry.modify_index,
    }


_WEIGHTS_TYPE = structure(Passing=INTEGER, Warning=INTEGER)
_ADDRESSES_TYPE = map_of(structure(Address=STRING, Port=INTEGER))

AGENT_SERVICE = structure(
    Kind=STRING,
    ID=STRING,
    Service=STRING,
    Tags=STRINGS,
    Address=STRING,
    TaggedAddresses=_ADDRESSES_TYPE,
    Meta=map_of(STRING),
    Port=INTEGER,
    Weights=_WEIGHTS_TYPE,
    EnableTagOverride=BOOLEAN,
)
CHECK = structure(
    Node=STRING,
    CheckID=STRING,
    Name=STRING,
    Status=STRING,
    Notes=STRING,
    Output=STRING,
    ServiceID=STRING,
    ServiceName=STRING,
    ServiceTags=STRINGS,
    Type=STRING,
)
NODE = structure(
    ID=STRING,
    Node=STRING,
    Address=STRING,
    Datacenter=STRING,
    TaggedAddresses=map_of(STRING),
    Meta=map_of(STRING),
)
HEALTH_ENTRY = structure(Node=NODE, Service=AGENT_SERVICE, Checks=list_of(CHECK))
CATALOG_SERVICE = structure(
    ID=STRING,
    Node=STRING,
    Address=STRING,
    Datacenter=STRING,
    TaggedAddresses=map_of(STRING),
    NodeMeta=map_of(STRING),
    ServiceKind=STRING,
    ServiceID=STRING,
    ServiceName=STRING,
    ServiceTags=STRINGS,
    ServiceAddress=STRING,
    ServiceTaggedAddresses=_ADDRESSES_TYPE,
    ServiceWeights=_WEIGHTS_TYPE,
    ServiceMeta=map_of(STRING),
    ServicePort=INTEGER,
    ServiceEnableTagOverride=BOOLEAN,
)

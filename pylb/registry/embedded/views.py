"""Services, checks, nodes and keys in the JSON form of Consul 1.8."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from pylb.registry.embedded.catalog import Check, CheckRow, Health, Node, ServiceRow
from pylb.registry.embedded.definitions import Service
from pylb.registry.embedded.kv import Entry

View = dict[str, Any]

_NO_PROXY: Mapping[str, Any] = {"MeshGateway": {}, "Expose": {}}


def agent_service(service: Service) -> View:
    """Return a service as `/v1/agent` shows it."""
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
    """Return an instance with its node and checks as `/v1/health/service` shows it."""
    return {
        "Node": node_view(node),
        "Service": _node_service(health.row),
        "Checks": [check_row(row, node) for row in health.checks],
    }


def node_services(rows: Iterable[ServiceRow], node: Node) -> View:
    """Return a node with its instances as `/v1/catalog/node` shows it."""
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
    """Return an instance as `/v1/catalog/service` shows it."""
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
    """Return a node."""
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
    """Return a check; the agent keeps no indexes and shows 0."""
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
    """Return a check of the catalog, with its indexes."""
    return check_view(row.check, node, row.create_index, row.modify_index)


def _tagged(name: str, service: Service) -> View:
    addresses = {n: {"Address": a.address, "Port": a.port} for n, a in service.tagged_addresses.items()}
    return {name: addresses} if addresses else {}


def _weights(service: Service) -> View:
    return {"Passing": service.passing_weight, "Warning": service.warning_weight}


def _indexes(row: ServiceRow) -> View:
    return {"CreateIndex": row.create_index, "ModifyIndex": row.modify_index}


def kv_entry(entry: Entry) -> View:
    """Return a key with its value in base64; an empty value is null."""
    return {
        "LockIndex": 0,
        "Key": entry.key,
        "Flags": entry.flags,
        "Value": base64.b64encode(entry.value).decode() or None,
        "CreateIndex": entry.create_index,
        "ModifyIndex": entry.modify_index,
    }

"""What a `filter=` may ask of the entries of each answer: names and types as in Consul 1.8."""

from __future__ import annotations

from pylb.registry.devserver.filter import BOOLEAN, INTEGER, STRING, STRINGS, list_of, map_of, structure

_WEIGHTS = structure(Passing=INTEGER, Warning=INTEGER)
_ADDRESSES = map_of(structure(Address=STRING, Port=INTEGER))

AGENT_SERVICE = structure(
    Kind=STRING,
    ID=STRING,
    Service=STRING,
    Tags=STRINGS,
    Address=STRING,
    TaggedAddresses=_ADDRESSES,
    Meta=map_of(STRING),
    Port=INTEGER,
    Weights=_WEIGHTS,
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
    ServiceTaggedAddresses=_ADDRESSES,
    ServiceWeights=_WEIGHTS,
    ServiceMeta=map_of(STRING),
    ServicePort=INTEGER,
    ServiceEnableTagOverride=BOOLEAN,
)

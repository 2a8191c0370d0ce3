"""Selection of instances, and the headers of an answer."""

import pytest

INSTANCES = [
    {"ID": "@1", "Port": 1, "Tags": ["v1", "blue"], "Check": {"TTL": "10m", "Status": "passing"}},
    {"ID": "@2", "Port": 2, "Tags": ["V1", "green"], "Check": {"TTL": "10m", "Status": "warning"}},
    {"ID": "@3", "Port": 3, "Check": {"TTL": "10m", "Status": "critical"}},
    {"ID": "@4", "Port": 4},
]
ALL = ["@1", "@2", "@3", "@4"]


@pytest.fixture
async def web(api):
    for instance in INSTANCES:
        await api.register({"Name": "@web", **instance})
    await api.catalogued(instances=len(INSTANCES))
    return api


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ALL),
        ("passing", ["@1", "@4"]),
        ("passing=", ["@1", "@4"]),
        ("passing=1", ["@1", "@4"]),
        ("passing=true", ["@1", "@4"]),
        ("passing=false", ALL),
        ("passing=0", ALL),
        ("tag=v1", ["@1", "@2"]),
        ("tag=V1&tag=blue", ["@1"]),
        ("tag=v1&tag=green&passing", []),
        ("tag=blue&tag=green", []),
        ("tag=", []),
        ("filter=", ALL),
        ("node-meta=consul-network-segment:", ALL),
        ("node-meta=consul-network-segment:other", []),
        ("node-meta=none", []),
        ("near=_agent", ALL),
        ("near=nowhere", ALL),
        ("dc=dc1", ALL),
        ("dc=", ALL),
        ("token=anything", ALL),
        ("pretty", ALL),
        ("index=&wait=", ALL),
        ("index=1&index=x", ALL),
        ("unknown=option", ALL),
    ],
)
async def test_filters_of_health_queries(web, query, expected):
    reply = await web.get(f"/v1/health/service/@web?{query}")
    assert reply.status == 200
    assert [entry["Service"]["ID"] for entry in reply.content] == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ALL),
        ("tag=v1", ["@1", "@2"]),
        ("tag=v1&tag=green", ["@2"]),
        ("passing", ALL),
        ("node-meta=none", []),
    ],
)
async def test_filters_of_catalog_queries(web, query, expected):
    reply = await web.get(f"/v1/catalog/service/@web?{query}")
    assert [entry["ServiceID"] for entry in reply.content] == expected


READS = [
    "/v1/health/service/@web",
    "/v1/health/checks/@web",
    "/v1/health/state/any",
    "/v1/health/node/nowhere",
    "/v1/catalog/service/@web",
    "/v1/catalog/node/nowhere",
    "/v1/catalog/services",
    "/v1/catalog/nodes",
]


@pytest.mark.parametrize(
    ("query", "consistency"),
    [
        ("", "leader"),
        ("?stale", "stale"),
        ("?consistent", "consistent"),
        ("?max_stale=2s", "stale"),
        ("?stale&max_stale=2s", "stale"),
    ],
)
@pytest.mark.parametrize("path", READS)
async def test_headers_of_responses(web, path, query, consistency):
    reply = await web.get(path + query)
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["X-Consul-Effective-Consistency"] == consistency
    assert reply.headers["X-Consul-KnownLeader"] == "true"
    assert reply.headers["X-Consul-LastContact"] == "0"
    assert reply.index >= 1


@pytest.mark.parametrize(
    "path", ["/v1/agent/services", "/v1/agent/checks", "/v1/agent/self", "/v1/catalog/datacenters"]
)
async def test_agent_responses_have_no_index(api, path):
    reply = await api.get(path)
    assert reply.headers["Content-Type"] == "application/json"
    assert "X-Consul-Index" not in reply.headers


@pytest.mark.parametrize("path", READS[:1] + READS[4:5] + READS[-2:])
async def test_node_meta_filters_exclude_other_nodes(web, path):
    assert len((await web.get(f"{path}?node-meta=none:")).content) == 0


async def test_the_instances_on_a_node(web):
    (node,) = (await web.get("/v1/catalog/nodes")).content
    reply = await web.get(f"/v1/catalog/node/{node['Node']}")
    assert reply.content["Node"] == node
    listed = {id_: service for id_, service in reply.content["Services"].items() if id_ in ALL}
    entries = (await web.get("/v1/health/service/@web")).content
    assert {id_: service["Port"] for id_, service in listed.items()} == {
        entry["Service"]["ID"]: entry["Service"]["Port"] for entry in entries
    }
    assert all(service["Service"] == "@web" and service["ModifyIndex"] for service in listed.values())
    assert (await web.get("/v1/catalog/node/nowhere")).content is None


@pytest.mark.parametrize("state", ["passing", "warning", "critical", "any", "unheard-of"])
async def test_states(web, state):
    reply = await web.get(f"/v1/health/state/{state}")
    statuses = {"any": ["passing", "warning", "critical"], "unheard-of": []}.get(state, [state])
    assert [check["Status"] for check in reply.content if check["ServiceName"] == "@web"] == statuses


async def test_self_datacenters_nodes_and_leader(api):
    about = (await api.get("/v1/agent/self")).content
    config = about["Config"]
    assert list(about) == ["Config", "DebugConfig", "Coord", "Member", "Stats", "Meta"]
    assert (config["Datacenter"], config["Version"], config["Server"]) == ("dc1", "1.8.7", True)
    assert about["Member"]["Name"] == config["NodeName"]
    assert (await api.get("/v1/catalog/datacenters")).content == ["dc1"]
    (node,) = (await api.get("/v1/catalog/nodes")).content
    assert (node["Node"], node["ID"]) == (config["NodeName"], config["NodeID"])
    leader = (await api.get("/v1/status/leader")).content
    host, _, port = leader.rpartition(":")
    assert (host, port.isdigit()) == ("127.0.0.1", True)
    assert (await api.get("/v1/status/peers")).content == [leader]

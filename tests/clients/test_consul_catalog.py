import asyncio

import pytest

from pylb.clients.consul import ConsulClient, ConsulError
from pylb.clients.consul_agent import ConsulAgent
from pylb.clients.consul_catalog import ConsulCatalog
from tests.clients.scripted_consul import Answer, ScriptedConsul
from tests.registries import consul_at

TTL = {"CheckID": "catalog:ttl", "TTL": "1h", "Status": "passing"}
WEB = {"ID": "catalog-web-1", "Name": "catalog-web", "Tags": ["blue"], "Port": 80, "Check": TTL}


@pytest.fixture
async def client(consul):
    async with ConsulClient(consul_at(consul.url), connections=3) as client:
        yield client


async def test_services_have_tags_and_nodes_have_instances(client):
    agent, catalog = ConsulAgent(client), ConsulCatalog(client)
    await agent.register(WEB)
    assert (await catalog.services()).read()["catalog-web"] == ["blue"]
    (node,) = await catalog.nodes()
    instances = (await catalog.node_instances(node["Node"])).read()["Services"]
    assert instances["catalog-web-1"]["Service"] == "catalog-web"
    checks = (await catalog.node_checks(node["Node"])).read()
    assert [c["ServiceName"] for c in checks if c["CheckID"] == "catalog:ttl"] == ["catalog-web"]
    assert (await catalog.node_instances("no such node")).body.strip() == b"null"
    await agent.deregister("catalog-web-1")


async def test_changes_of_instances_and_checks_end_blocking_queries(client):
    agent, catalog = ConsulAgent(client), ConsulCatalog(client)
    before = await catalog.services()
    services = asyncio.ensure_future(catalog.services(before.index))  # noqa: TID251
    await agent.register(WEB)
    assert "catalog-web" in (await services).read()
    before = await catalog.checks("critical")
    checks = asyncio.ensure_future(catalog.checks("critical", before.index))  # noqa: TID251
    await agent.update_check("catalog:ttl", "critical", "ill")
    assert [c["ServiceName"] for c in (await checks).read() if c["CheckID"] == "catalog:ttl"] == [
        "catalog-web"
    ]
    await agent.deregister("catalog-web-1")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            Answer(status=500, body=b"No cluster leader"),
            "answered 500 No cluster leader to /v1/catalog/services",
        ),
        (Answer(body=b"[]"), "expected another document at /v1/catalog/services"),
        (Answer(body=b"<html>"), "cannot understand the answer to /v1/catalog/services"),
        (Answer(body=b"{}", index="soon"), "cannot understand"),
    ],
)
async def test_anything_but_a_document_is_an_error(answer, words):
    server = ScriptedConsul()
    server.names = None
    await server.start()
    server.then(answer)
    async with ConsulClient(consul_at(server.url)) as client:
        with pytest.raises(ConsulError, match=words):
            (await ConsulCatalog(client).services()).read()
    await server.stop()


async def test_a_query_has_datacenter_consistency_and_index():
    server = ScriptedConsul()
    server.names = None
    await server.start()
    server.then(Answer(body=b"{}", index=0), Answer(body=b"{}"))
    settings = consul_at(server.url, datacenter="dc2", consistency="stale")
    async with ConsulClient(settings) as client:
        assert (await ConsulCatalog(client).services()).index == 1
        await ConsulCatalog(client).services(7, wait=5.0)
    assert server.queries == [
        {"dc": "dc2", "stale": ""},
        {"dc": "dc2", "stale": "", "index": "7", "wait": "5s"},
    ]
    await server.stop()

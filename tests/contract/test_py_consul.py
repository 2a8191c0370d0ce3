"""py-consul, the client that pylb itself uses, over both of its interfaces."""

import asyncio

import consul as py_consul
import consul.aio
import pytest

pytestmark = pytest.mark.filterwarnings("ignore:ssl_context is deprecated")  # by aiohttp, used by py-consul


@pytest.fixture
def where(api):
    host, _, port = api.address.rpartition(":")
    return {"host": host, "port": int(port)}


@pytest.fixture
async def client(where):
    async with consul.aio.Consul(**where) as client:
        yield client


@pytest.fixture
async def web(api, client):
    """The id of a service that was registered by py-consul."""
    name = f"{api.prefix}web"
    check = py_consul.Check.ttl("10m")
    assert await client.agent.service.register(
        name,
        address="10.0.0.1",
        port=80,
        tags=["a"],
        meta={"k": "v"},
        weights={"Passing": 3, "Warning": 1},
        check=check,
    )
    await api.catalogued()
    return name


async def test_agent(client, web):
    service = (await client.agent.services())[web]
    assert (service["Address"], service["Port"], service["Tags"]) == ("10.0.0.1", 80, ["a"])
    assert (await client.agent.service_definition(web))["Meta"] == {"k": "v"}
    assert (await client.agent.self())["Config"]["Datacenter"] == "dc1"
    check_id = f"service:{web}"
    assert (await client.agent.checks())[check_id]["Status"] == "critical"
    assert await client.agent.check.ttl_pass(check_id, notes="fine")
    assert (await client.agent.checks())[check_id]["Output"] == "fine"
    assert await client.agent.check.ttl_warn(check_id)
    assert await client.agent.check.ttl_fail(check_id)
    with pytest.raises(py_consul.ConsulException, match="does not have associated TTL"):
        await client.agent.check.ttl_pass("none")


async def test_maintenance_and_deregistration(api, client, web):
    assert await client.agent.service.maintenance(web, enable=True, reason="why")
    assert (await client.agent.checks())[f"_service_maintenance:{web}"]["Notes"] == "why"
    assert await client.agent.service.maintenance(web, enable=False)
    assert await client.agent.maintenance(enable=True)
    assert await client.agent.maintenance(enable=False)
    assert await client.agent.service.deregister(web)
    await api.catalogued(instances=0)


async def test_checks(client, web):
    check_id = f"{web}-own"
    assert await client.agent.check.register(
        "own", py_consul.Check.ttl("10m"), check_id=check_id, service_id=web
    )
    assert (await client.agent.checks())[check_id]["ServiceID"] == web
    assert await client.agent.check.deregister(check_id)
    for number, check in enumerate(
        (
            py_consul.Check.http("http://127.0.0.1:1/", "10m", timeout="1s", header={"X": ["1"]}),
            py_consul.Check.tcp("127.0.0.1", 1, "10m", timeout="1s", deregister="90m"),
        )
    ):
        assert await client.agent.check.register(f"{web}-{number}", check)


async def test_health_and_catalog(api, client, web):
    index, entries = await client.health.service(web)
    assert int(index) >= 1
    assert entries[0]["Service"]["Weights"] == {"Passing": 3, "Warning": 1}
    assert (await client.health.service(web, passing=True))[1] == []
    assert len((await client.health.service(web, tag="a"))[1]) == 1
    assert len((await client.health.checks(web))[1]) == 1
    assert web in (await client.catalog.services())[1]
    assert (await client.catalog.service(web))[1][0]["ServiceAddress"] == "10.0.0.1"
    assert len((await client.catalog.nodes())[1]) == 1
    assert await client.catalog.datacenters() == ["dc1"]
    assert (await client.status.leader()).count(":") == 1


async def test_a_blocking_query(client, web):
    index, _ = await client.health.service(web)
    query = client.health.service(web, index=index, wait="20s")
    (newer, entries), _ = await asyncio.wait_for(
        asyncio.gather(query, client.agent.check.ttl_pass(f"service:{web}")), 10
    )
    assert int(newer) > int(index)
    assert entries[0]["Checks"][-1]["Status"] == "passing"


async def test_kv(api, client):
    key = f"{api.prefix}/key"
    assert await client.kv.put(key, "value", flags=3)
    _, entry = await client.kv.get(key)
    assert (entry["Value"], entry["Flags"]) == (b"value", 3)
    assert await client.kv.put(key, "other", cas=entry["ModifyIndex"])
    assert not await client.kv.put(key, "third", cas=entry["ModifyIndex"])
    assert (await client.kv.get(f"{api.prefix}/none"))[1] is None
    assert (await client.kv.get(api.prefix, keys=True))[1] == [key]
    assert [e["Key"] for e in (await client.kv.get(api.prefix, recurse=True))[1]] == [key]
    newer, _ = await asyncio.gather(
        client.kv.get(key, index=(await client.kv.get(key))[0], wait="20s"), client.kv.put(key, "new")
    )
    assert newer[1]["Value"] == b"new"
    assert await client.kv.delete(key)
    assert await client.kv.delete(api.prefix, recurse=True)


async def test_the_blocking_client(api, where):
    def story():
        client = py_consul.Consul(**where)
        name = f"{api.prefix}web"
        assert client.agent.service.register(name, port=80, check=py_consul.Check.ttl("10m"))
        assert client.agent.check.ttl_pass(f"service:{name}")
        assert client.kv.put(f"{api.prefix}/key", "value")
        assert client.kv.get(f"{api.prefix}/key")[1]["Value"] == b"value"
        assert client.agent.services()[name]["Port"] == 80
        assert client.agent.service.deregister(name)

    await asyncio.to_thread(story)

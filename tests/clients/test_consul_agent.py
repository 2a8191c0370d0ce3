import pytest
from aiohttp import web

from pylb.clients.consul import ConsulClient, ConsulError, ConsulUnreachableError
from pylb.clients.consul_agent import ConsulAgent
from pylb.registry.embedded import DevRegistry
from tests.registries import consul_at


@pytest.fixture
async def agent():
    registry = DevRegistry()
    url = f"http://{await registry.start()}"
    async with ConsulClient(consul_at(url)) as client:
        yield ConsulAgent(client)
    await registry.stop()


WEB = {"ID": "host:web/1:80", "Name": "web", "Address": "10.0.0.1", "Port": 80}
TTL = {"CheckID": "ttl:web", "Name": "ttl", "TTL": "1h"}


async def test_a_service_is_registered_and_deregistered(agent):
    await agent.register(WEB)
    assert (await agent.services())["host:web/1:80"]["Address"] == "10.0.0.1"
    await agent.deregister("host:web/1:80")
    assert "host:web/1:80" not in await agent.services()


async def test_an_id_cannot_change_the_path(agent):
    await agent.register({**WEB, "ID": "victim"})
    for service_id in ("a/../victim", "../../../kv/x", "../../leave"):
        with pytest.raises(ConsulError, match="cannot be part of a path"):
            await agent.deregister(service_id)
        with pytest.raises(ConsulError, match="cannot be part of a path"):
            await agent.update_check(service_id, "passing", "")
    assert "victim" in await agent.services()


async def test_deregistering_twice_is_no_error(agent):
    await agent.deregister("none")


async def test_registering_again_replaces_checks(agent):
    await agent.register({**WEB, "Checks": [TTL]})
    await agent.update_check("ttl:web", "passing", "well")
    await agent.register(WEB)
    with pytest.raises(ConsulError):
        await agent.update_check("ttl:web", "passing", "well")


async def test_the_address_of_the_agent_is_read(agent):
    assert await agent.address() == "127.0.0.1"


async def test_the_metadata_of_the_node_is_read(agent):
    assert "zone" not in await agent.meta()


async def test_the_right_to_write_a_service_suffices_to_register_it(guarded_consul):
    """Without agent:read the agent's address is unknown; Consul fills it in where an address is empty."""
    token = guarded_consul.issue('service "agent-shop" { policy = "write" }')["SecretID"]
    async with ConsulClient(consul_at(guarded_consul.url, token=token)) as client:
        agent = ConsulAgent(client)
        assert await agent.address() == ""
        await agent.register({"ID": "agent-shop", "Name": "agent-shop", "Port": 80})
        assert list(await agent.services()) == ["agent-shop"]
        await agent.deregister("agent-shop")


async def test_a_rejection_has_consuls_message(agent):
    with pytest.raises(ConsulError, match=r"answered 400 .*name"):
        await agent.register({"ID": "x"})


async def answering(aiohttp_server, body, status=200):
    async def handle(request):
        return web.Response(status=status, body=body)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    return f"http://127.0.0.1:{(await aiohttp_server(app)).port}"


@pytest.mark.parametrize("body", [b"[]", b"nonsense", b"{"])
async def test_an_invalid_response_raises_an_error(aiohttp_server, body):
    async with ConsulClient(consul_at(await answering(aiohttp_server, body))) as client:
        with pytest.raises(ConsulError):
            await ConsulAgent(client).services()
        with pytest.raises(ConsulError):
            await ConsulAgent(client).address()
        with pytest.raises(ConsulError):
            await ConsulAgent(client).meta()


async def test_an_error_never_looks_like_an_empty_agent(aiohttp_server):
    async with ConsulClient(consul_at(await answering(aiohttp_server, b"{}", 500))) as client:
        with pytest.raises(ConsulError, match=": 500 "):
            await ConsulAgent(client).services()


async def test_a_refused_connection_is_an_error(unused_tcp_port):
    async with ConsulClient(consul_at(f"http://127.0.0.1:{unused_tcp_port}")) as client:
        with pytest.raises(ConsulUnreachableError):
            await ConsulAgent(client).services()

import asyncio
import socket

import pytest
from aiohttp import web

from pylb.clients.consul import ConsulClient
from pylb.clients.consul_agent import ConsulAgent
from pylb.config import Address
from pylb.model import Endpoint
from pylb.registry.embedded import DevRegistry
from pylb.tools.doctor.gather import clock_skew, gather, try_to_connect
from pylb.tools.doctor.rules import UNRESOLVED, diagnose
from tests.containers.inspected import inspected
from tests.registries import consul_at, docker_at


@pytest.fixture
async def settings():
    registry = DevRegistry()
    yield consul_at(f"http://{await registry.start()}")
    await registry.stop()


async def register(settings, **definition):
    async with ConsulClient(settings) as client:
        await ConsulAgent(client).register({"ID": "web-1", "Name": "web", **definition})


@pytest.fixture
async def listening():
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_consul_is_queried_completely(settings, listening):
    await register(settings, Address="127.0.0.1", Port=listening)
    facts = await gather(consul_options=settings)
    assert list(facts.registry.services) == ["web"]
    assert [e.id for e in facts.registry.services["web"].passing] == ["web-1"]
    assert facts.connects == {("127.0.0.1", listening): ""}
    assert facts.registry.leader
    assert facts.registry.server
    assert facts.registry.nodes == 1
    assert abs(facts.registry.clock_skew) < 3
    assert [f.rule for f in diagnose(facts)] == ["unchecked"]


async def test_only_the_given_services_are_queried(settings):
    facts = await gather(consul_options=settings, services=["shop"])
    assert [f.what for f in diagnose(facts)] == ["shop: Consul has no instance"]


async def test_docker_is_queried_for_containers(engine):
    engine.run(inspected("web-1"))
    facts = await gather(docker_options=docker_at(engine.url))
    assert [each.name for each in facts.containers] == ["web-1"]


async def test_pylb_is_queried_for_its_pools(aiohttp_server):
    async def pools(request):
        return web.json_response({"web": {"backends": [], "excluded": []}})

    app = web.Application()
    app.router.add_get("/pools", pools)
    server = await aiohttp_server(app)
    facts = await gather(admin=Address("127.0.0.1", server.port))
    assert [f.rule for f in diagnose(facts)] == ["pool-empty"]


async def test_a_source_that_does_not_answer_is_a_fact(tmp_path, unused_tcp_port):
    facts = await gather(
        consul_options=consul_at(f"http://127.0.0.1:{unused_tcp_port}"),
        docker_options=docker_at(f"unix://{tmp_path}/none"),
        admin=Address(path=f"{tmp_path}/none"),
    )
    assert [place.partition(" ")[0] for place in facts.silent] == ["Consul", "Docker", "pylb"]
    assert [f.rule for f in diagnose(facts)] == ["does-not-answer"] * 3


async def test_a_registry_without_leader_is_not_queried_further(aiohttp_server):
    async def answer(request):
        found = {"/v1/agent/self": {"Config": {"Server": False}}, "/v1/status/leader": ""}
        return web.json_response(found[request.path])

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    server = await aiohttp_server(app)
    facts = await gather(consul_options=consul_at(f"http://127.0.0.1:{server.port}"))
    assert [f.rule for f in diagnose(facts)] == ["no-leader"]


async def test_an_invalid_response_is_no_answer(aiohttp_server):
    async def answer(request):
        return web.Response(body=b"nonsense")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    server = await aiohttp_server(app)
    facts = await gather(consul_options=consul_at(f"http://127.0.0.1:{server.port}"))
    (error,) = facts.silent.values()
    assert "/v1/status/leader" in error


@pytest.fixture
def shop(guarded_consul, listening):
    """An agent with ACLs, where `doctor-shop` is registered; what a token with these rights finds there."""
    service = {"ID": "doctor-shop", "Name": "doctor-shop", "Port": listening, "Address": "127.0.0.1"}
    guarded_consul.put("agent/service/register", {**service, "Check": {"TTL": "1h", "Status": "passing"}})

    async def findings(rules, services=("doctor-shop",)):
        token = guarded_consul.issue(rules)["SecretID"] if rules is not None else "unknown"
        settings = consul_at(guarded_consul.url, token=token)
        facts = await gather(consul_options=settings, services=services)
        return [(f.rule, f.cause) for f in diagnose(facts)], facts

    yield findings
    guarded_consul.put("agent/service/deregister/doctor-shop")


async def test_the_rights_to_read_services_and_nodes_suffice(shop):
    rules = 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }'
    found, facts = await shop(rules)
    assert (found, facts.registry.server) == ([], False)
    _, facts = await shop(rules + ' agent_prefix "" { policy = "read" }')
    assert facts.registry.server


@pytest.mark.parametrize(
    ("rules", "lacking"),
    [
        ('node_prefix "" { policy = "read" }', 'service:read on "doctor-shop"'),
        ('service_prefix "" { policy = "read" }', "node:read"),
    ],
)
async def test_a_missing_right_is_named(shop, rules, lacking):
    assert (await shop(rules))[0] == [("hidden-instances", f"the token lacks {lacking}")]


async def test_a_rejected_token_differs_from_a_consul_that_does_not_answer(shop):
    found, facts = await shop(None)
    assert [rule for rule, _ in found] == ["token-refused"]
    assert facts.registry.token_error.endswith("answered 403 ACL not found to /v1/catalog/nodes")


async def test_errors_of_connections_are_facts(listening, unused_tcp_port):
    places = [("127.0.0.1", listening), ("127.0.0.1", unused_tcp_port)]
    found = await try_to_connect(Endpoint("web", *place) for place in places)
    assert found == {places[0]: "", places[1]: "Connection refused"}


async def test_an_unresolvable_name_is_a_fact(monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    found = await try_to_connect([Endpoint("web", "web.lan", 80)])
    assert found == {("web.lan", 80): f"{UNRESOLVED} cannot be resolved: Name or service not known"}


@pytest.mark.parametrize(
    ("headers", "skew"),
    [({"Date": "Thu, 01 Jan 1970 00:01:40 GMT"}, 90.0), ({}, 0.0), ({"Date": "soon"}, 0.0)],
)
def test_clock_skew_is_computed_from_date(headers, skew):
    assert clock_skew(headers, 10.0) == skew

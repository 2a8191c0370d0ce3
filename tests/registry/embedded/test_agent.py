import asyncio

import aiohttp
import pytest

from pylb.registry.embedded import agent as agent_module
from pylb.registry.embedded.agent import Agent
from pylb.registry.embedded.blocking import Changes
from pylb.registry.embedded.catalog import Catalog, Node
from pylb.registry.embedded.definitions import CheckDefinition, RequestError, Service


@pytest.fixture
def catalog():
    return Catalog(Node("id", "node", "127.0.0.1", "dc1"), Changes())


@pytest.fixture
async def agent(catalog):
    async with aiohttp.ClientSession() as session:
        agent = Agent(catalog, session)
        yield agent
        agent.close()


WEB = Service("1", "web")


def ttl(check_id="t", **more):
    return CheckDefinition(id=check_id, ttl=600.0, service_id="1", **more)


def now():
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize(("after", "granted"), [(120.0, 120.0), (1.0, 60.0)])
async def test_a_service_that_stays_critical_is_deregistered(agent, catalog, after, granted):
    agent.register_service(WEB, [ttl(deregister_after=after), ttl("other")], replace_checks=False)
    started = now()
    agent.reap(started + granted - 1)
    assert list(agent.services) == ["1"]
    agent.reap(started + granted + 1)
    assert (agent.services, agent.checks) == ({}, {})
    assert catalog.instances("web").content == []


async def test_the_time_counts_from_when_it_became_critical(agent):
    agent.register_service(WEB, [ttl(deregister_after=120.0, status="passing")], replace_checks=False)
    agent.reap(now() + 1000)
    assert agent.services, "it is not critical"
    agent.set_ttl_status("t", "critical", "down")
    agent.set_ttl_status("t", "warning", "a little better")
    agent.reap(now() + 1000)
    assert agent.services, "it was, but is no longer"
    agent.set_ttl_status("t", "critical", "down again")
    agent.reap(now() + 100)
    assert agent.services, "it has not been for long enough"
    agent.register_service(WEB, [ttl(deregister_after=120.0)], replace_checks=False)
    agent.reap(now() + 121)
    assert not agent.services, "registering it again does not make it healthy"


async def test_checks_without_the_setting_or_of_the_node_deregister_nothing(agent):
    agent.register_service(WEB, [ttl()], replace_checks=False)
    agent.register_check(CheckDefinition(id="node", ttl=600.0, deregister_after=60.0))
    agent.reap(now() + 1_000_000)
    assert list(agent.checks) == ["node", "t"]


async def test_a_new_output_alone_reaches_the_catalog_late(agent, catalog, monkeypatch):
    monkeypatch.setattr(agent_module, "OUTPUT_DELAY", (0.02, 0.02))
    agent.register_service(WEB, [ttl()], replace_checks=False)
    index = catalog.checks().index
    agent.set_ttl_status("t", "critical", "first")
    agent.set_ttl_status("t", "critical", "second")
    assert agent.checks["t"].output == "second"
    assert (catalog.checks().index, catalog.checks().content[0].check.output) == (index, "")
    async with asyncio.timeout(5):
        while catalog.checks().index == index:
            await asyncio.sleep(0.001)
    assert catalog.checks().content[0].check.output == "second"
    assert catalog.checks().index == index + 1


async def test_a_new_status_writes_the_output_too(agent, catalog):
    agent.register_service(WEB, [ttl()], replace_checks=False)
    agent.set_ttl_status("t", "critical", "late")
    agent.set_ttl_status("t", "passing", "now")
    index = catalog.checks().index
    assert catalog.checks().content[0].check.output == "now"
    agent.deregister_service("1")
    await asyncio.sleep(0)
    assert catalog.checks().index == index + 1


async def test_unknown_ids_are_errors(agent):
    with pytest.raises(RequestError, match='ServiceID "1" does not exist'):
        agent.register_check(ttl())
    with pytest.raises(RequestError, match='CheckID "t" does not have associated TTL'):
        agent.set_ttl_status("t", "passing", "")
    agent.register_service(WEB, [], replace_checks=False)
    agent.enter_maintenance("1", "")
    with pytest.raises(RequestError, match="does not have associated TTL"):
        agent.set_ttl_status("_service_maintenance:1", "passing", "")


async def test_closing_stops_every_check(agent):
    definition = CheckDefinition(id="t", tcp="127.0.0.1:1", interval=600.0, service_id="1")
    agent.register_service(WEB, [definition, ttl("u")], replace_checks=False)
    agent.close()
    await asyncio.sleep(0)
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("check ")] == []

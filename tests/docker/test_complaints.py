"""What people complained about in registrator, each on a real engine with a real Consul: gone.

The numbers are those of registrator's issues. The registrator runs in the test's own loop, the containers are
busybox; only what is registered matters, so nobody sends them requests.
"""

import asyncio
import time
from contextlib import asynccontextmanager

import aiodocker
import pytest

from pylb.clients.consul import ConsulClient
from pylb.clients.consul_agent import ConsulAgent
from pylb.clients.docker import DockerClient
from pylb.registry.place import Rules
from pylb.registry.registrator import Registrator
from pylb.runtime.lifecycle import TaskScope, spawn
from tests.docker.images import SMALL
from tests.registries import consul_at, docker_at
from tests.until import until

pytestmark = pytest.mark.slow


@pytest.fixture
def engine(own_engine):
    """The engine with the networks `front` and `back`; none of the containers is left after the test."""
    for network in ("front", "back"):
        own_engine.docker("network", "create", network)
    yield own_engine
    if containers := own_engine.docker("ps", "--all", "--quiet").split():
        own_engine.docker("rm", "--force", *containers)
    own_engine.docker("network", "rm", "front", "back")


@pytest.fixture
async def agent(consul):
    """The Consul that other tests use too; nothing of ours is left in it."""
    async with ConsulClient(consul_at(consul.url)) as client:
        agent = ConsulAgent(client)
        yield agent
        for service_id in await ours(agent):
            await agent.deregister(service_id)


def run(engine, name, *options, command=("sleep", "600")):
    words = [
        "--detach",
        "--name",
        name,
        "--network",
        "front",
        "--expose",
        "80",
        "--env",
        "SERVICE_NAME=complaint",
    ]
    return engine.docker("run", *words, *options, SMALL, *command)


@asynccontextmanager
async def registrator(
    engine, consul, *, listens=True, hostname="here", resync=60.0, stop_signals=False, **rules
):
    """A registrator at work, and its status; one that does not listen misses all events."""
    async with (
        DockerClient(docker_at(engine.url)) as docker,
        ConsulClient(consul_at(consul.url)) as client,
        TaskScope("registrator") as scope,
    ):
        made = Registrator(
            docker,
            ConsulAgent(client),
            lambda found, address: Rules(
                owner=found.id, hostname=hostname, host_address=address, **{"internal": True, **rules}
            ),
            resync=resync,
            stop_signals=stop_signals,
        )
        if listens:
            spawn(made.listen(), name="listen", scope=scope)
        spawn(made.keep(), name="keep", scope=scope)
        yield made.status


async def ours(agent):
    """What is registered of this test, by id."""
    return {key: each for key, each in (await agent.services()).items() if each["Service"] == "complaint"}


async def until_registered(agent, *ids, seconds=20.0):
    deadline = time.monotonic() + seconds
    while set(found := await ours(agent)) != set(ids):
        assert time.monotonic() < deadline, f"expected {ids}, found {set(found)}"
        await asyncio.sleep(0.01)
    return found


async def check_of(agent, service_id):
    """The status of the only check of an instance, and Consul's count of its changes."""
    checks = (await agent.checks()).values()
    (found,) = [each for each in checks if each["ServiceID"] == service_id]
    return found["Status"]


async def test_325_a_missed_event_leaves_a_dead_service_for_ever(engine, consul, agent):
    async with registrator(engine, consul, listens=False, resync=0.2):
        run(engine, "missed")
        await until_registered(agent, "here:missed:80")
        engine.docker("kill", "missed")
        await until_registered(agent)


async def test_712_the_end_of_the_events_ends_the_registrator(engine, consul, agent):
    run(engine, "before")
    async with registrator(engine, consul):
        await until_registered(agent, "here:before:80")
        await asyncio.to_thread(engine.restart, crash=True)
        run(engine, "after")
        await until_registered(agent, "here:before:80", "here:after:80")


async def test_153_a_resynchronisation_makes_checks_critical(engine, consul, agent):
    run(engine, "checked", "--env=SERVICE_CHECK_TTL=60s", "--env=SERVICE_CHECK_INITIAL_STATUS=passing")
    async with registrator(engine, consul, resync=0.05) as status:
        await until_registered(agent, "here:checked:80")
        before = status.synchronized
        await until(lambda: status.synchronized > before + 0.5, 10)
        assert status.registrations == 1
        assert await check_of(agent, "here:checked:80") == "passing"


async def test_377_a_service_without_a_check_that_dies_stays_registered(engine, consul, agent):
    run(engine, "dies")
    async with registrator(engine, consul):
        await until_registered(agent, "here:dies:80")
        engine.docker("kill", "--signal", "KILL", "dies")
        await until_registered(agent)


async def test_586_made_anew_under_another_host_name_it_registers_everything_twice(engine, consul, agent):
    run(engine, "stays")
    async with registrator(engine, consul, hostname="3f2a"):
        await until_registered(agent, "3f2a:stays:80")
    async with registrator(engine, consul, hostname="9c1d"):
        await until_registered(agent, "9c1d:stays:80")


async def test_190_what_ended_while_it_was_away_is_never_cleaned_up(engine, consul, agent):
    run(engine, "ends")
    run(engine, "stays")
    await agent.register({"ID": "by-hand", "Name": "complaint", "Port": 80})
    async with registrator(engine, consul, hostname="3f2a"):
        await until_registered(agent, "3f2a:ends:80", "3f2a:stays:80", "by-hand")
    engine.docker("rm", "--force", "ends")
    async with registrator(engine, consul, hostname="9c1d"):
        await until_registered(agent, "9c1d:stays:80", "by-hand")


async def test_337_a_containers_own_address_with_a_published_port(engine, consul, agent):
    run(engine, "published", "--publish", "127.0.0.1:8099:80")
    run(engine, "everywhere", "--publish", "8098:80")
    async with registrator(engine, consul, internal=False):
        found = await until_registered(agent, "here:published:80", "here:everywhere:80")
        places = {key: (each["Address"], each["Port"]) for key, each in found.items()}
        assert places == {
            "here:published:80": ("127.0.0.1", 8099),
            "here:everywhere:80": (await agent.address(), 8098),
        }


@pytest.mark.parametrize("network", ["front", "back"])
async def test_316_on_several_networks_the_address_is_random(engine, consul, agent, network):
    container = run(engine, "between")
    engine.docker("network", "connect", "back", container)
    template = f'{{{{(index .NetworkSettings.Networks "{network}").IPAddress}}}}'
    address = engine.docker("inspect", "--format", template, container)
    async with registrator(engine, consul, network=network):
        found = await until_registered(agent, "here:between:80")
        assert found["here:between:80"]["Address"] == address


async def test_578_dockers_own_health_check_is_ignored(engine, consul, agent):
    healthy = ("--health-cmd", "test -f /tmp/well", "--health-interval", "1s", "--health-retries", "1")
    run(engine, "examined", *healthy)
    async with registrator(engine, consul):
        await until_registered(agent, "here:examined:80")
        assert await check_of(agent, "here:examined:80") == "critical"
        engine.docker("exec", "examined", "sh", "-c", "echo > /tmp/well")
        deadline = time.monotonic() + 20
        while await check_of(agent, "here:examined:80") != "passing":
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)


async def test_437_one_of_two_exposed_ports_is_published_and_the_name_has_a_number(engine, consul, agent):
    run(engine, "published", "--publish", "8097:80", "--expose", "443")
    async with registrator(engine, consul, internal=False):
        found = await until_registered(agent, "here:published:80")
        assert found["here:published:80"]["Port"] == 8097


async def test_562_a_port_published_for_ipv6_alone_is_registered_at_an_ipv4_address(engine, consul, agent):
    run(engine, "six", "--publish", "[::]:8096:80")
    run(engine, "both", "--publish", "8095:80")
    async with registrator(engine, consul, internal=False) as status:
        await until_registered(agent, "here:both:80")
        assert [each for each in status.problems if each.startswith("six: port 80 is published on :: only")]


async def test_a_container_with_a_range_of_ports_ends_it(engine, consul, agent):
    run(engine, "good")
    async with registrator(engine, consul) as status:
        await until_registered(agent, "here:good:80")
        config = {
            "Image": SMALL,
            "Cmd": ["sleep", "600"],
            "Env": ["SERVICE_NAME=complaint"],
            "ExposedPorts": {"33060-33061/tcp": {}, "/tcp": {}, "3306/tcp": {}},
        }
        async with aiodocker.Docker(engine.url) as docker:
            await (await docker.containers.create(config, name="ranged")).start()
        await until_registered(agent, "here:good:80", "here:ranged:3306")
        problems = [
            each for each in status.problems if each.startswith("ranged: its port '33060-33061/tcp' is")
        ]
        assert len(problems) == 1


async def test_a_paused_container_stays_registered(engine, consul, agent):
    run(engine, "frozen")
    async with registrator(engine, consul):
        await until_registered(agent, "here:frozen:80")
        engine.docker("pause", "frozen")
        await until_registered(agent)
        engine.docker("unpause", "frozen")
        await until_registered(agent, "here:frozen:80")


async def test_a_container_that_is_started_again_and_again_is_registered_meanwhile(engine, consul, agent):
    run(engine, "crashes", "--restart", "always", command=("sh", "-c", "exit 1"))
    run(engine, "other")
    async with registrator(engine, consul, resync=0.1) as status:
        await until(lambda: "Restarting" in engine.docker("ps", "--all", "--filter", "name=crashes"), 20)
        before = await until(lambda: status.synchronized)
        await until(lambda: status.synchronized > before + 0.2, 20)
        await until_registered(agent, "here:other:80")


@pytest.mark.parametrize("spelled", ["RTMIN+3", "sigrtmin+3", "37"])
async def test_a_stop_signal_that_it_does_not_know(engine, consul, agent, spelled):
    run(engine, "stops", "--stop-signal", spelled)
    async with registrator(engine, consul, stop_signals=True):
        await until_registered(agent, "here:stops:80")
        stopping = asyncio.create_task(  # noqa: TID251
            asyncio.to_thread(engine.docker, "stop", "--time", "8", "stops")
        )
        await until_registered(agent, seconds=6.0)
        assert engine.docker("inspect", "--format", "{{.State.Running}}", "stops") == "true"
        await asyncio.to_thread(engine.docker, "kill", "stops")
        await stopping


async def test_a_failed_registration_is_never_tried_again(engine, consul, agent):
    """Its source has no retry, and registrator's handler only logs."""
    bad = ("--env", "SERVICE_CHECK_TCP=1", "--env", "SERVICE_CHECK_INTERVAL=soon")
    run(engine, "refused", *bad)
    run(engine, "other")
    async with registrator(engine, consul) as status:
        await until_registered(agent, "here:other:80")
        await until(lambda: status.failures > 1, 20)
        assert "here:refused:80 cannot be registered" in status.failure
        engine.docker("rm", "--force", "refused")
        await until(lambda: not status.failure, 20)


async def test_events_that_follow_each_other_closely_overtake_each_other(engine, consul, agent):
    async with registrator(engine, consul) as status:
        await until(lambda: status.synchronized, 20)
        run(engine, "restless")
        for _ in range(3):
            engine.docker("kill", "restless")
            engine.docker("start", "restless")
        run(engine, "last")
        await until_registered(agent, "here:restless:80", "here:last:80")
        engine.docker("kill", "restless")
        await until_registered(agent, "here:last:80")


async def test_a_ttl_does_nothing(engine, consul, agent):
    run(engine, "confirmed")
    async with registrator(engine, consul, resync=0.3, ttl=1.0) as status:
        await until_registered(agent, "here:confirmed:80")
        before = await until(lambda: status.synchronized)
        await until(lambda: status.synchronized > before + 1.5, 20)
        assert await check_of(agent, "here:confirmed:80") == "passing"
    deadline = time.monotonic() + 20
    while await check_of(agent, "here:confirmed:80") != "critical":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_it_ends_if_consul_is_not_up_yet(engine, own_consul):
    run(engine, "early")
    own_consul.kill()
    async with registrator(engine, own_consul) as status:
        await until(lambda: "refused" in status.failure, 20)
        await asyncio.to_thread(own_consul.start)
        await until(lambda: status.registered == 1, 20)

"""Stories with a scripted engine and the embedded registry: each shows a complaint about registrator gone."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from pylb.clients.consul import ConsulClient
from pylb.clients.consul_agent import ConsulAgent
from pylb.clients.docker import DockerClient
from pylb.registry import registrator
from pylb.registry.embedded import DevRegistry
from pylb.registry.place import Rules
from pylb.registry.registrator import Registrator
from pylb.runtime.lifecycle import TaskScope, spawn
from tests.containers.inspected import inspected
from tests.registries import consul_at, docker_at
from tests.until import until

pytestmark = pytest.mark.slow

WEB = inspected("web-1", env={"SERVICE_NAME": "web"})
SECOND = inspected("web-2", env={"SERVICE_NAME": "web"}, networks={"bridge": "172.17.0.3"})


@pytest.fixture(autouse=True)
def impatience(monkeypatch):
    monkeypatch.setattr(registrator, "RETRY", 0.01)


@pytest.fixture
async def registry():
    made = DevRegistry()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def agent(registry):
    async with ConsulClient(consul_at(f"http://{registry.address}")) as client:
        yield ConsulAgent(client)


@asynccontextmanager
async def running(engine, consul, hostname="", ttl=0.0, **options):
    """A registrator at work, and its status."""
    async with (
        DockerClient(docker_at(engine.url)) as docker,
        ConsulClient(consul_at(consul)) as client,
        TaskScope("registrator") as scope,
    ):
        made = Registrator(
            docker,
            ConsulAgent(client),
            lambda e, address: Rules(
                owner=e.id, hostname=hostname or e.name, host_address=address, internal=True, ttl=ttl
            ),
            **{"resync": 60.0, **options},
        )
        spawn(made.listen(), name="listen", scope=scope)
        spawn(made.keep(), name="keep", scope=scope)
        yield made.status


async def until_registered(agent, *names):
    await until_ids(agent, {f"machine:{name}:80" for name in names})


async def until_ids(agent, expected):
    deadline = time.monotonic() + 5
    while set(found := await agent.services()) != expected:
        assert time.monotonic() < deadline, f"expected {expected}, found {set(found)}"
        await asyncio.sleep(0.002)


def url(registry):
    return f"http://{registry.address}"


async def test_running_containers_are_registered_and_ended_ones_are_not(engine, registry, agent):
    engine.run(WEB)
    async with running(engine, url(registry)):
        await until_registered(agent, "web-1")
        await until(lambda: engine.listeners)
        engine.run(SECOND)
        engine.tell("start", SECOND)
        await until_registered(agent, "web-1", "web-2")
        engine.remove(WEB)
        engine.tell("die", WEB)
        await until_registered(agent, "web-2")


async def test_the_next_round_corrects_a_missed_event(engine, registry, agent):
    async with running(engine, url(registry), resync=0.02):
        await until_registered(agent)
        engine.run(WEB)
        await until_registered(agent, "web-1")


async def test_the_end_of_the_event_stream_deregisters_nothing(engine, registry, agent):
    async with running(engine, url(registry)):
        await until(lambda: engine.listeners)
        engine.run(WEB)
        engine.hang_up()
        await until_registered(agent, "web-1")
        await until(lambda: engine.listeners)


async def test_the_registrator_waits_for_the_engine(engine, registry, agent):
    engine.broken = True
    engine.run(WEB)
    async with running(engine, url(registry)) as status:
        await until(lambda: "out of order" in status.failure)
        engine.broken = False
        await until_registered(agent, "web-1")
        await until(lambda: not status.failure)


async def test_the_registrator_waits_for_consul(engine, unused_tcp_port):
    engine.run(WEB)
    registry = DevRegistry()
    async with running(engine, f"http://127.0.0.1:{unused_tcp_port}") as status:
        await until(lambda: "refused" in status.failure)
        await registry.start(port=unused_tcp_port)
        await until(lambda: status.registered == 1)
    await registry.stop()


async def test_errors_of_the_engine_deregister_nothing(engine, registry, agent):
    engine.run(WEB)
    async with running(engine, url(registry), resync=0.01) as status:
        await until_registered(agent, "web-1")
        engine.broken = True
        await until(lambda: status.failures > 3)
        await until_registered(agent, "web-1")


async def test_an_emptied_consul_is_filled_again(engine, registry, agent):
    engine.run(WEB)
    engine.run(SECOND)
    async with running(engine, url(registry), resync=0.05):
        await until_registered(agent, "web-1", "web-2")
        port = int(registry.address.rpartition(":")[2])
        await registry.stop()
        await registry.start(port=port)
        await until_registered(agent, "web-1", "web-2")


async def test_a_new_registrator_with_another_name_leaves_no_stale_entry_and_no_duplicate(
    engine, registry, agent
):
    engine.run(WEB)
    engine.run(SECOND)
    async with running(engine, url(registry), hostname="first"):
        await until_ids(agent, {"first:web-1:80", "first:web-2:80"})
    engine.remove(WEB)
    async with running(engine, url(registry), hostname="second"):
        await until_ids(agent, {"second:web-2:80"})


async def test_entries_of_other_programs_are_kept(engine, registry, agent):
    await agent.register({"ID": "machine:old:80", "Name": "old", "Port": 80})
    engine.run(WEB)
    async with running(engine, url(registry)):
        await until_registered(agent, "old", "web-1")


async def test_a_rejected_registration_is_retried_and_affects_no_other(engine, registry, agent):
    bad = inspected("bad", env={"SERVICE_CHECK_TCP": "1", "SERVICE_CHECK_INTERVAL": "soon"})
    engine.run(bad)
    engine.run(WEB)
    async with running(engine, url(registry)) as status:
        await until_registered(agent, "web-1")
        await until(lambda: status.failures > 2)
        assert "machine:bad:80 cannot be registered" in status.failure
        engine.remove(bad)
        await until(lambda: not status.failure)


async def health(agent, check):
    return (await agent.checks())[check]["Status"]


async def test_dockers_health_status_reaches_consul(engine, registry, agent):
    check = "docker:machine:web-1:80"
    engine.run(inspected("web-1", health="starting"))
    async with running(engine, url(registry)) as status:
        await until_registered(agent, "web-1")
        assert await health(agent, check) == "critical"
        await until(lambda: engine.listeners)
        engine.run(inspected("web-1", health="healthy"))
        engine.tell("health_status: healthy", WEB)
        while await health(agent, check) != "passing":
            await asyncio.sleep(0.002)
        assert status.registrations == 1


@pytest.mark.parametrize(
    "case",
    [("15", None, True), ("9", None, True), ("3", "SIGQUIT", True), ("1", None, False)],
)
async def test_a_stop_signal_deregisters_before_the_container_has_stopped(engine, registry, agent, case):
    number, stop_signal, gone = case
    case = inspected("web-1", stop_signal=stop_signal)
    engine.run(case)
    async with running(engine, url(registry), stop_signals=True) as status:
        await until_registered(agent, "web-1")
        await until(lambda: engine.listeners)
        before = status.synchronized
        engine.tell("kill", case, signal=number)
        await until(lambda: status.synchronized > before)
        await until_registered(agent, *([] if gone else ["web-1"]))
        if gone:
            engine.tell("start", case)
            await until_registered(agent, "web-1")


async def test_without_the_option_a_container_is_deregistered_after_its_end(engine, registry, agent):
    engine.run(WEB)
    async with running(engine, url(registry)) as status:
        await until_registered(agent, "web-1")
        await until(lambda: engine.listeners)
        before = status.synchronized
        engine.tell("kill", WEB, signal="15")
        await until(lambda: status.synchronized > before)
        await until_registered(agent, "web-1")


async def test_invalid_settings_are_problems(engine, registry, agent):
    engine.run(inspected("web-1", env={"SERVICE_LB_WEIGHT": "lots"}))
    async with running(engine, url(registry)) as status:
        await until_registered(agent, "web-1")
        await until(lambda: status.problems)
        assert "got 'lots'" in status.problems[0]


async def test_an_id_with_dot_segments_changes_no_entry_and_logs_one_line(engine, registry, agent, caplog):
    await agent.register({"ID": "victim", "Name": "bank", "Port": 1})
    evil = inspected("evil", env={"SERVICE_NAME": "web", "SERVICE_ID": "a/../victim"})
    engine.run(evil)
    engine.run(WEB)
    async with running(engine, url(registry), resync=0.01) as status:
        await until_ids(agent, {"victim", "machine:web-1:80"})
        engine.remove(evil)
        before = status.synchronized
        await until(lambda: status.synchronized > before + 0.1)
        await until_ids(agent, {"victim", "machine:web-1:80"})
    (line,) = [r.getMessage() for r in caplog.records if "refused" in r.getMessage()]
    assert line.startswith("evil: the id 'a/../victim' is refused")


async def test_an_unreadable_container_keeps_its_entry_and_affects_no_other(engine, registry, agent):
    engine.run(SECOND)
    async with running(engine, url(registry)):
        await until_registered(agent, "web-2")
    engine.failing.add(SECOND["Id"])
    engine.run(WEB)
    async with running(engine, url(registry)) as status:
        await until_registered(agent, "web-1", "web-2")
        await until(lambda: status.synchronized)
        assert "web-2: it cannot be read" in status.problems[0]
        assert status.registered == 2


async def test_an_unreadable_container_is_confirmed_too(engine, registry, agent):
    check = "registrator:machine:web-1:80"
    engine.run(WEB)
    async with running(engine, url(registry), ttl=60.0):
        await until_registered(agent, "web-1")
    engine.failing.add(WEB["Id"])
    async with running(engine, url(registry), ttl=60.0, resync=0.02):
        await agent.update_check(check, "critical", "as if it had expired")
        while await health(agent, check) != "passing":
            await asyncio.sleep(0.002)


async def test_an_entry_of_another_program_is_neither_replaced_nor_removed(engine, registry, agent):
    await agent.register({"ID": "victim", "Name": "bank", "Address": "10.0.0.9", "Port": 1})
    evil = inspected("evil", env={"SERVICE_NAME": "web", "SERVICE_ID": "victim"})
    engine.run(evil)
    async with running(engine, url(registry)) as status:
        await until(lambda: status.problems)
        await until(lambda: engine.listeners)
        engine.remove(evil)
        engine.tell("die", evil)
        await until(lambda: not status.problems)
    assert (await agent.services())["victim"]["Address"] == "10.0.0.9"


async def test_a_paused_container_is_deregistered_until_it_is_unpaused(engine, registry, agent):
    engine.run(WEB)
    async with running(engine, url(registry)):
        await until_registered(agent, "web-1")
        await until(lambda: engine.listeners)
        engine.run(inspected("web-1", env={"SERVICE_NAME": "web"}, paused=True))
        engine.tell("pause", WEB)
        await until_registered(agent)
        engine.run(WEB)
        engine.tell("unpause", WEB)
        await until_registered(agent, "web-1")


def invalid(number):
    env = {"SERVICE_CHECK_TCP": "1", "SERVICE_CHECK_INTERVAL": "10"}
    return inspected(f"bad-{number}", id=str(number) * 64, env=env)


async def test_entries_are_counted_and_each_failure_is_logged_once(engine, registry, agent, caplog):
    for each in (invalid(1), invalid(2), WEB):
        engine.run(each)
    async with running(engine, url(registry)) as status:
        await until_registered(agent, "web-1")
        await until(lambda: status.failures >= 6)
        assert status.registered == 1
        assert status.failure.count("cannot be registered") == 2
    lines = [r.getMessage() for r in caplog.records if "cannot be registered" in r.getMessage()]
    assert len(lines) == 2


async def test_an_unavailable_consul_is_one_failure_for_all_entries(engine, aiohttp_server):
    async def read(request):
        return web.json_response({"Member": {"Addr": "127.0.0.1"}} if request.path.endswith("self") else {})

    async def break_off(request):
        request.transport.abort()
        return web.Response()

    app = web.Application()
    app.add_routes([web.get("/v1/agent/{what}", read), web.put("/{path:.*}", break_off)])
    server = await aiohttp_server(app)
    engine.run(WEB)
    engine.run(SECOND)
    async with running(engine, f"http://127.0.0.1:{server.port}") as status:
        await until(lambda: status.failures > 1)
        assert status.failure.startswith(f"Consul at http://127.0.0.1:{server.port}: ")
        assert "cannot be registered" not in status.failure


async def test_rejected_calls_are_retried_at_growing_intervals(engine, registry, monkeypatch):
    pauses = []
    real = asyncio.timeout
    monkeypatch.setattr(registrator.asyncio, "timeout", lambda pause: (pauses.append(pause), real(pause))[1])
    engine.run(invalid(1))
    async with running(engine, url(registry)) as status:
        await until(lambda: status.failures >= 4)
    found = [pause for pause in pauses if pause is not None and pause < 1]
    assert found[:3] == [0.01, 0.02, 0.04]


async def test_a_lost_check_is_restored(engine, registry, agent):
    engine.run(inspected("web-1", health="healthy", env={"SERVICE_CHECK_TTL": "1h"}))
    async with running(engine, url(registry), resync=0.02):
        await until_registered(agent, "web-1")
        for lost in ("docker:machine:web-1:80", "service:machine:web-1:80"):
            await agent._put(("v1", "agent", "check", "deregister", lost), {})
            while lost not in await agent.checks():
                await asyncio.sleep(0.002)
        assert await health(agent, "docker:machine:web-1:80") == "passing"


async def test_entries_are_confirmed_in_time_on_a_busy_engine(engine, registry, agent):
    check = "registrator:machine:web-1:80"
    engine.run(WEB)
    async with running(engine, url(registry), resync=0.1, ttl=60.0) as status:
        await until_registered(agent, "web-1")
        await until(lambda: engine.listeners)
        await agent.update_check(check, "critical", "as if it had expired")
        deadline = time.monotonic() + 5
        while await health(agent, check) != "passing":
            assert time.monotonic() < deadline
            engine.tell("start", SECOND)
            before = status.synchronized
            await until(lambda: status.synchronized > before)  # noqa: B023


async def test_an_event_during_the_cancellation_does_not_prevent_the_end(engine, registry):
    async with (
        DockerClient(docker_at(engine.url)) as docker,
        ConsulClient(consul_at(url(registry))) as client,
        TaskScope("registrator") as scope,
    ):
        made = Registrator(docker, ConsulAgent(client), lambda e, _: Rules(owner=e.id, hostname=e.name))
        keeping = spawn(made.keep(), name="keep", scope=scope)
        await until(lambda: made.status.synchronized)
        await asyncio.sleep(0)
        made._wake.set()
        await asyncio.sleep(0)  # the waiting is over, its task has not run yet
        keeping.cancel()
        async with asyncio.timeout(5):
            await asyncio.wait([keeping])
        assert keeping.cancelled()

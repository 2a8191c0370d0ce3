"""The whole recipe, on a real engine: `docker compose up`, and then things happen to it."""

import asyncio
import json
import sys
import time
from datetime import datetime

import pytest

from tests.docker.compose import CONSUL, PAGE, Stack, answered_by
from tests.docker.traffic import Traffic, Wrk, get, until_answers_come_from
from tests.until import until

pytestmark = pytest.mark.slow

SOON = 2.0
"""Seconds from when an instance listens to its first answer: up to one for Consul's check, the rest is tens
of milliseconds. Python's own start is not counted: it takes as long as the machine's other work lets it."""


@pytest.fixture(scope="module")
def stack(own_engine):
    made = Stack(own_engine)
    made.up(web=1)
    yield made
    made.down()


@pytest.fixture
async def recipe(stack):
    """The stack with one instance of web, which answers."""
    await asyncio.to_thread(stack.up, web=1)
    await until_answers_come_from(stack.engine, stack.containers("web"))
    return stack


async def scaled(recipe, count):
    """Change the number of instances; return their names once they, and no others, answer."""
    await asyncio.to_thread(recipe.up, web=count)
    names = recipe.containers("web")
    assert len(names) == count
    await until_answers_come_from(recipe.engine, names)
    return names


def seconds_to_answer(recipe, name, answered):
    """From when an instance wrote that it listens to its first answer to a client of the load balancer."""
    written = recipe.engine.docker("logs", "--timestamps", name).split()[0]
    return answered - datetime.fromisoformat(f"{written[:26]}+00:00").timestamp()


async def until_registered(recipe, expected, seconds=30.0):
    """Wait until Consul lists the instances of these containers, and no other."""
    deadline = time.monotonic() + seconds
    found = None
    while found != sorted(expected):
        assert time.monotonic() < deadline, f"expected {sorted(expected)} in Consul, found {found}"
        status, text = await get(recipe.engine, f"{CONSUL}/v1/catalog/service/web")
        if status == 200:
            found = sorted(each["ServiceMeta"]["pylb-container"] for each in json.loads(text))


async def test_scaling_from_one_to_ten_and_back_loses_no_request(recipe):
    status, text = await get(recipe.engine, PAGE)
    assert (status, {answered_by(text)}) == (200, recipe.containers("web"))
    for count in (3, 10):
        before = recipe.containers("web")
        async with Traffic(recipe.engine, clients=2) as traffic:
            await asyncio.to_thread(recipe.up, web=count)
            names = recipe.containers("web")
            await until(lambda: set(traffic.first) == names, 30)  # noqa: B023
        assert traffic.failures == []
        waited = {name: seconds_to_answer(recipe, name, traffic.first[name]) for name in names - before}
        assert {name: seconds for name, seconds in waited.items() if seconds > SOON} == {}
    async with Wrk(recipe.engine) as wrk:
        names = await scaled(recipe, 1)
    assert wrk.requests > 100
    assert wrk.failures == []
    await until_registered(recipe, names)


async def test_a_killed_container_loses_only_requests_in_flight(recipe):
    names = await scaled(recipe, 2)
    victim, other = names
    async with Traffic(recipe.engine, clients=8) as traffic:
        await until(lambda: traffic.answers[victim] > 50, 20)
        await asyncio.to_thread(recipe.engine.docker, "kill", "--signal", "KILL", victim)
        before = traffic.answers[other]
        await until(lambda: traffic.answers[other] > before + 100, 20)
    assert len(traffic.failures) <= 8
    await until_registered(recipe, {other})
    recipe.engine.docker("rm", victim)


async def test_a_paused_instance_receives_no_requests(recipe):
    paused, other = await scaled(recipe, 2)
    async with Traffic(recipe.engine, clients=4) as traffic:
        await asyncio.to_thread(recipe.engine.docker, "pause", paused)
        await until_registered(recipe, {other})
        before = traffic.answers[other]
        await until(lambda: traffic.answers[other] > before + 50, 20)
        await asyncio.to_thread(recipe.engine.docker, "unpause", paused)
        before = traffic.answers[paused]
        await until(lambda: traffic.answers[paused] > before, 20)
    assert traffic.failures == []
    await until_registered(recipe, {paused, other})


async def test_a_recreated_registrator_leaves_no_stale_and_no_duplicate_entry(recipe):
    gone, stays = await scaled(recipe, 2)
    recipe.compose("rm", "--stop", "--force", "registrator")
    recipe.engine.docker("rm", "--force", gone)
    await asyncio.to_thread(recipe.create_anew, "registrator")
    await until_registered(recipe, {stays})


async def test_after_a_crash_of_the_engine_connections_persist_and_new_instances_are_found(recipe):
    async with Traffic(recipe.engine) as traffic:
        await asyncio.to_thread(recipe.engine.restart, crash=True)
        names = await asyncio.to_thread(lambda: recipe.up(web=3) or recipe.containers("web"))
        await until(lambda: set(traffic.answers) == names, 20)
    assert traffic.failures == []


async def test_after_a_restart_of_the_engine_all_instances_return(recipe):
    names = await scaled(recipe, 2)
    await asyncio.to_thread(recipe.engine.set_live_restore, False)
    await asyncio.to_thread(recipe.engine.restart, crash=False)
    await asyncio.to_thread(recipe.engine.set_live_restore, True)
    assert recipe.containers("web") == names
    await until_registered(recipe, names)
    await until_answers_come_from(recipe.engine, names)


async def test_the_registrator_serves_health_and_metrics(recipe):
    (network,) = recipe.inspect(recipe.container("registrator"))["NetworkSettings"]["Networks"].values()
    admin = f"http://{network['IPAddress']}:8081"
    status, text = await get(recipe.engine, f"{admin}/health")
    shown = json.loads(text)
    assert (status, shown["healthy"], shown["registered"], shown["problems"]) == (200, True, 1, [])
    _, text = await get(recipe.engine, f"{admin}/metrics")
    assert "pylb_registrator_services 1.0" in text
    for service in ("registrator", "lb"):
        name = recipe.container(service)
        await until(lambda: recipe.inspect(name)["State"]["Health"]["Status"] == "healthy", 120)  # noqa: B023


async def test_the_doctor_has_findings_only_after_a_fault(recipe):
    assert await asyncio.to_thread(doctor, recipe) == (0, [])
    name = recipe.container("web")
    recipe.compose("stop", "registrator")
    recipe.engine.docker("stop", name)
    title = recipe.inspect(name)["Name"].replace("/", ":")
    code, findings = await asyncio.to_thread(doctor, recipe)
    recipe.engine.docker("start", name)
    recipe.compose("start", "registrator")
    assert code == 3
    id_ = f"{recipe.engine.docker('info', '--format', '{{.Name}}')}{title}:8000"
    what = f"web: {id_} is registered, but its container {name} is not running"
    assert ("dangling", what) in findings


def doctor(recipe):
    """What the doctor says on the engine's machine, and its exit code."""
    command = [sys.executable, "-m", "pylb", "doctor", "--consul", "127.0.0.1:8500", "--docker", "--json"]
    done = recipe.engine.command(*recipe.engine.inside(*command))
    return done.returncode, [(each["rule"], each["what"]) for each in json.loads(done.stdout)]


async def test_a_recreated_consul_is_filled_again_without_failed_requests(recipe):
    names = await scaled(recipe, 2)
    async with Traffic(recipe.engine) as traffic:
        await asyncio.to_thread(recipe.create_anew, "consul")
        await until_registered(recipe, names, 30.0)
        before = traffic.answers.total()
        await until(lambda: traffic.answers.total() > before + 100, 20)
    assert traffic.failures == []
    await until_answers_come_from(recipe.engine, names)

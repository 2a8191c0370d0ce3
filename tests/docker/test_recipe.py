"""The whole recipe on a real engine: Consul, registrator, load balancer, web, each in a container."""

import asyncio
import json
import sys
import time

import pytest

from tests.docker.traffic import URL, Traffic, session, who_answers
from tests.until import until

pytestmark = pytest.mark.slow

CHECKED = ("SERVICE_CHECK_TCP=true", "SERVICE_CHECK_INTERVAL=1s", "SERVICE_CHECK_DEREGISTER_AFTER=1m")
SOON = 4.0
"""Seconds from a container's start to its first answer while other tests run too; below 2 otherwise."""
REGISTRATOR = ("registrator", "--consul", "consul:8500", "--internal", "--explicit", "--resync", "2s")


def run_registrator(machine):
    machine.run_pylb("registrator", *REGISTRATOR, "--deregister-on-stop-signal")


@pytest.fixture
def recipe(machine):
    """Everything but the web service."""
    machine.run_consul()
    run_registrator(machine)
    machine.run_pylb(
        "lb",
        *("--consul", "consul:8500", "--service", "web"),
        arguments=("--publish", "127.0.0.1:8080:8080"),
    )
    return machine


def scale(machine, *names):
    for name in names:
        machine.run_web(name, *CHECKED)


def stop(machine, *names):
    """What compose does to scale down: TERM, one second for the last requests, KILL, remove."""
    machine.docker("stop", "--time", "1", *names)
    machine.docker("rm", *names)


async def test_from_one_to_three_to_six_to_one_under_load_without_a_failure(recipe):
    scale(recipe, "web-1")
    names, _ = await who_answers(recipe, 1)
    assert names == {"web-1"}
    async with Traffic(recipe) as traffic:
        for new in (("web-2", "web-3"), ("web-4", "web-5", "web-6")):
            await asyncio.to_thread(scale, recipe, *new)
            names, seconds = await who_answers(recipe, len(names) + len(new))
            assert seconds < SOON
            before = traffic.answers.copy()
            await until(lambda: min((traffic.answers - before)[name] for name in names) >= 30, 20)  # noqa: B023
        await asyncio.to_thread(stop, recipe, *(names - {"web-1"}))
        assert (await who_answers(recipe, 1))[0] == {"web-1"}
        before = traffic.answers.total()
        await until(lambda: traffic.answers.total() > before + 100, 20)
    assert traffic.failures == []
    assert set(traffic.answers) == names


async def test_a_kill_costs_at_most_what_was_in_flight(recipe):
    scale(recipe, "web-1", "web-2")
    await who_answers(recipe, 2)
    async with Traffic(recipe, clients=8) as traffic:
        await until(lambda: traffic.answers["web-2"] > 50, 20)
        await asyncio.to_thread(recipe.docker, "kill", "web-2")
        before = traffic.answers["web-1"]
        await until(lambda: traffic.answers["web-1"] > before + 100, 20)
    assert len(traffic.failures) <= 8


async def test_a_registrator_made_anew_leaves_no_ghost_and_no_duplicate(recipe):
    scale(recipe, "web-1", "web-2")
    await who_answers(recipe, 2)
    recipe.docker("rm", "--force", "registrator")
    recipe.docker("rm", "--force", "web-2")
    run_registrator(recipe)
    await until_registered(recipe, {"web-1"})


async def test_a_consul_made_anew_is_filled_again_and_traffic_never_stops(recipe):
    scale(recipe, "web-1", "web-2")
    await who_answers(recipe, 2)
    async with Traffic(recipe) as traffic:
        await asyncio.to_thread(recipe.docker, "rm", "--force", "consul")
        await asyncio.to_thread(recipe.run_consul)
        await until_registered(recipe, {"web-1", "web-2"})
        before = traffic.answers.total()
        await until(lambda: traffic.answers.total() > before + 100, 20)
    assert traffic.failures == []


def doctor(machine):
    """What the doctor says inside the load balancer's container, and its exit code."""
    command = ["exec", "lb", sys.executable, "-m", "pylb", "doctor", "--consul", "consul:8500", "--docker"]
    done = machine.command(*command, "--json")
    return done.returncode, [(each["rule"], each["what"]) for each in json.loads(done.stdout)]


async def test_the_doctor_is_silent_until_something_is_wrong(recipe):
    scale(recipe, "web-1")
    await who_answers(recipe, 1)
    assert await asyncio.to_thread(doctor, recipe) == (0, [])
    machine_name = recipe.docker("info", "--format", "{{.Name}}")
    recipe.docker("rm", "--force", "registrator")
    container = recipe.docker("inspect", "--format", "{{.Id}}", "web-1")[:12]
    recipe.docker("rm", "--force", "web-1")
    code, findings = await asyncio.to_thread(doctor, recipe)
    assert code == 3
    id_ = f"{machine_name}:web-1:8000"
    assert ("dangling", f"web: {id_} is registered, but its container {container} does not run") in findings


async def test_a_paused_instance_is_a_slow_one_and_stays_registered(recipe):
    scale(recipe, "web-1", "web-2")
    await who_answers(recipe, 2)
    recipe.docker("pause", "web-2")
    async with Traffic(recipe, clients=4) as traffic:
        await until(lambda: traffic.answers["web-1"] > 50, 20)
        recipe.docker("unpause", "web-2")
    assert traffic.failures == []
    await until_registered(recipe, {"web-1", "web-2"})


async def until_registered(machine, expected, seconds=30.0):
    """Wait until Consul lists these instances of web, and no other."""
    deadline = time.monotonic() + seconds
    address = '{{(index .NetworkSettings.Networks "recipe").IPAddress}}'
    found = None
    while time.monotonic() < deadline:
        consul = await asyncio.to_thread(machine.docker, "inspect", "--format", address, "consul")
        try:
            url = f"http://{consul}:8500/v1/catalog/service/web"
            async with session(machine) as client, client.get(url) as answer:
                found = {service["ServiceID"].split(":")[1] for service in json.loads(await answer.text())}
        except (OSError, ValueError):
            pass
        if found == expected:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"expected {expected} in Consul, found {found}")


async def test_without_consul_the_engine_is_the_registry(machine):
    command = ("--docker", "--service", "web", "--network", "recipe")
    machine.run_pylb("lb", *command, arguments=("--publish", "127.0.0.1:8080:8080"))
    scale(machine, "web-1")
    await who_answers(machine, 1)
    scale(machine, "web-2", "web-3")
    names, seconds = await who_answers(machine, 3)
    assert names == {"web-1", "web-2", "web-3"}
    assert seconds < SOON
    stop(machine, "web-2", "web-3")
    assert (await who_answers(machine, 1))[0] == {"web-1"}
    async with session(machine) as client, client.get(URL) as answer:
        assert answer.status == 200

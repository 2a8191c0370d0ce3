import asyncio

import pytest

from pylb.clients import docker as docker_module
from pylb.clients.docker import (
    DockerClient,
    Engine,
    EngineError,
    Event,
    Listed,
    read_event,
)
from tests.containers.inspected import inspected
from tests.registries import docker_at
from tests.until import until


@pytest.fixture
async def docker(engine):
    async with DockerClient(docker_at(engine.url)) as client:
        yield client


async def test_which_engine_it_is(docker):
    assert await docker.engine() == Engine("TIY7:4CFD", "machine")


async def test_all_are_listed_and_each_is_inspected(engine, docker):
    engine.run(inspected("web-1", id="1" * 64))
    engine.run(inspected("old", id="2" * 64, running=False))
    assert await docker.containers() == [
        Listed("1" * 64, "web-1", "running"),
        Listed("2" * 64, "old", "exited"),
    ]
    assert (await docker.inspect("1" * 64)).name == "web-1"


async def test_one_that_is_gone_is_none(docker):
    assert await docker.inspect("1" * 64) is None


async def test_one_about_which_the_engine_does_not_answer_in_time(engine, docker, monkeypatch):
    monkeypatch.setattr(docker_module, "INSPECT_TIMEOUT", 0.05)
    engine.run(inspected("hangs", id="1" * 64))
    engine.hanging.add("1" * 64)
    with pytest.raises(EngineError, match=r"no answer within 0\.05 s"):
        async with asyncio.timeout(5):
            await docker.inspect("1" * 64)


@pytest.mark.parametrize("given", ["../../info", "a/b", "..", "", "a%2fb", "a b"])
async def test_what_is_no_id_goes_into_no_path(engine, docker, given):
    with pytest.raises(EngineError, match="expected the id of a container"):
        await docker.inspect(given)
    assert engine.asked == []


async def test_events_come_in_order_and_together_if_they_came_together(engine, docker):
    web = inspected("web-1")
    events = docker.events()

    async def tell():
        await until(lambda: engine.listeners)
        engine.tell("exec_start: true", web)
        engine.tell("kill", web, signal="15")
        engine.tell("die", web)

    first, _ = await asyncio.gather(anext(events), tell())
    heard = list(first)
    while len(heard) < 2:
        heard += await anext(events)
    assert heard == [Event("kill", web["Id"], "15"), Event("die", web["Id"])]
    await events.aclose()


async def test_a_quiet_stream_yields_an_empty_batch(docker):
    events = docker.events(quiet=0.01)
    assert await anext(events) == ()
    await events.aclose()


async def test_the_end_of_the_stream_is_an_error(engine, docker):
    async def hang_up():
        await until(lambda: engine.listeners)
        engine.hang_up()

    with pytest.raises(EngineError, match="the stream of events has ended"):
        await asyncio.gather(anext(docker.events()), hang_up())


async def test_an_engine_in_trouble(engine, docker):
    engine.broken = True
    for question in (docker.engine, docker.containers, docker.events().__anext__):
        with pytest.raises(EngineError, match="out of order"):
            await question()


async def test_a_refused_connection_is_an_error(tmp_path):
    async with DockerClient(docker_at(f"unix://{tmp_path}/none")) as docker:
        for question in (docker.engine, docker.containers, docker.events().__anext__):
            with pytest.raises(EngineError, match=f"Docker at unix://{tmp_path}/none"):
                await question()


async def test_an_answer_without_sense(engine, docker):
    engine.run({"Id": "1" * 64, "State": {"Status": "running"}})
    with pytest.raises(EngineError, match="description of a container"):
        await docker.inspect("1" * 64)


async def test_certificates_that_are_not_there(tmp_path):
    with pytest.raises(EngineError, match=r"expected .* and key"):
        DockerClient(docker_at("tcp://127.0.0.1:2376", docker_tls=True, docker_certs=str(tmp_path)))


def test_a_networks_event_is_about_the_container_that_joined():
    data = {
        "Type": "network",
        "Action": "connect",
        "Actor": {"ID": "net", "Attributes": {"container": "abc", "name": "front"}},
    }
    assert read_event(data) == Event("connect", "abc")


def test_a_health_status_is_one_action():
    assert read_event({"Action": "health_status: healthy", "Actor": {"ID": "a"}}) == Event(
        "health_status", "a"
    )

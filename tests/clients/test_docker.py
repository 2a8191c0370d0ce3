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


async def test_the_id_of_the_engine_is_read(docker):
    assert await docker.engine() == Engine("TIY7:4CFD", "machine")


async def test_all_containers_are_listed_and_inspected(engine, docker):
    engine.run(inspected("web-1", id="1" * 64))
    engine.run(inspected("old", id="2" * 64, running=False))
    assert await docker.containers() == [
        Listed("1" * 64, "web-1", "running"),
        Listed("2" * 64, "old", "exited"),
    ]
    assert (await docker.inspect("1" * 64)).name == "web-1"


async def test_a_removed_container_is_none(docker):
    assert await docker.inspect("1" * 64) is None


async def test_an_inspection_has_a_timeout(engine, docker, monkeypatch):
    monkeypatch.setattr(docker_module, "INSPECT_TIMEOUT", 0.05)
    engine.run(inspected("hangs", id="1" * 64))
    engine.hanging.add("1" * 64)
    with pytest.raises(EngineError, match=r"no answer within 0\.05 s"):
        async with asyncio.timeout(5):
            await docker.inspect("1" * 64)


@pytest.mark.parametrize("given", ["../../info", "a/b", "..", "", "a%2fb", "a b"])
async def test_an_invalid_id_is_not_sent(engine, docker, given):
    with pytest.raises(EngineError, match="expected the id of a container"):
        await docker.inspect(given)
    assert engine.asked == []


async def test_events_are_batched_in_order(engine, docker):
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


async def test_an_error_of_the_engine_is_raised(engine, docker):
    engine.broken = True
    for question in (docker.engine, docker.containers, docker.events().__anext__):
        with pytest.raises(EngineError, match="out of order"):
            await question()


async def test_a_refused_connection_is_an_error(tmp_path):
    async with DockerClient(docker_at(f"unix://{tmp_path}/none")) as docker:
        for question in (docker.engine, docker.containers, docker.events().__anext__):
            with pytest.raises(EngineError, match=f"Docker at unix://{tmp_path}/none"):
                await question()


async def test_an_invalid_response_is_an_error(engine, docker):
    engine.run({"Id": "1" * 64, "State": {"Status": "running"}})
    with pytest.raises(EngineError, match="description of a container"):
        await docker.inspect("1" * 64)


async def test_missing_certificates_are_an_error(tmp_path):
    with pytest.raises(EngineError, match=r"expected .* and key"):
        DockerClient(docker_at("tcp://127.0.0.1:2376", docker_tls=True, docker_certs=str(tmp_path)))


def test_a_network_event_names_its_container():
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

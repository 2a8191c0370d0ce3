import asyncio

import pytest

from pylb.clients.docker import DockerClient, Engine, EngineError, EngineSettings, Event, read_event
from tests.containers.inspected import inspected
from tests.until import until


@pytest.fixture
async def docker(engine):
    async with DockerClient(EngineSettings(url=engine.url)) as client:
        yield client


async def test_which_engine_it_is(docker):
    assert await docker.engine() == Engine("TIY7:4CFD", "machine")


async def test_containers_come_the_oldest_first(engine, docker):
    engine.run(inspected("young", id="1" * 64, created="2026-01-02T00:00:00Z"))
    engine.run(inspected("old", id="2" * 64, created="2026-01-01T00:00:00Z"))
    assert [c.name for c in await docker.containers()] == ["old", "young"]


async def test_one_that_vanishes_meanwhile_is_left_out(engine, docker):
    engine.run(inspected("here", id="1" * 64))
    engine.run({**inspected("gone", id="2" * 64), "vanishes": True})
    assert [c.name for c in await docker.containers()] == ["here"]


async def test_one_that_was_never_started_holds_nobody_up(engine, docker):
    engine.run(inspected("here", id="1" * 64))
    engine.run(inspected("made", id="2" * 64, running=False, status="created"))
    assert [c.name for c in await docker.containers()] == ["here"]
    assert not [path for path in engine.asked if "2" * 64 in path]


async def test_one_that_lives_in_anothers_network_has_its_address(engine, docker):
    engine.run(inspected("pod", id="1" * 64, networks={"n": "10.0.0.5"}))
    engine.run(inspected("app", id="2" * 64, mode=f"container:{'1' * 64}", networks={}))
    assert [c.address() for c in await docker.containers()] == ["10.0.0.5", "10.0.0.5"]


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


async def test_silence_is_told_too(docker):
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


async def test_nobody_there(tmp_path):
    async with DockerClient(EngineSettings(url=f"unix://{tmp_path}/none")) as docker:
        for question in (docker.engine, docker.containers, docker.events().__anext__):
            with pytest.raises(EngineError, match=f"Docker at unix://{tmp_path}/none"):
                await question()


async def test_an_answer_without_sense(engine, docker):
    engine.run({"Id": "1" * 64, "State": {"Status": "running"}})
    with pytest.raises(EngineError, match="what the engine says of a container"):
        await docker.containers()


async def test_certificates_that_are_not_there(tmp_path):
    with pytest.raises(EngineError, match=r"expected .* and key"):
        DockerClient(EngineSettings(url="tcp://127.0.0.1:2376", certificates=str(tmp_path)))


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

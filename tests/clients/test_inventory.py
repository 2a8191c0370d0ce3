import pytest

from pylb.clients import docker as docker_module
from pylb.clients.docker import DockerClient, EngineError
from pylb.clients.inventory import InventoryReader
from tests.containers.inspected import inspected
from tests.registries import docker_at

pytestmark = pytest.mark.slow


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def read(engine, clock, monkeypatch):
    """Read the engine's containers: those that can be read, and those that cannot."""
    monkeypatch.setattr(docker_module, "INSPECT_TIMEOUT", 0.5)
    reader = InventoryReader(clock=clock)
    async with DockerClient(docker_at(engine.url)) as docker:

        async def once():
            found = await reader.read(docker)
            return {each.name: each for each in found.containers}, {each.name: each for each in found.unread}

        once.reader = reader
        yield once


WEB, OTHER = inspected("web-1", id="1" * 64), inspected("db-1", id="2" * 64)


async def test_containers_are_sorted_by_age(engine, read):
    engine.run(inspected("young", id="1" * 64, created="2026-01-02T00:00:00Z"))
    engine.run(inspected("old", id="2" * 64, created="2026-01-01T00:00:00Z"))
    assert list((await read())[0]) == ["old", "young"]


async def test_a_container_removed_meanwhile_is_skipped(engine, read):
    engine.run(WEB)
    engine.run({**OTHER, "vanishes": True})
    assert list(map(list, await read())) == [["web-1"], []]


async def test_a_container_that_never_started_delays_no_other(engine, read):
    engine.run(WEB)
    engine.run(inspected("made", id="2" * 64, running=False, status="created"))
    assert list(map(list, await read())) == [["web-1"], []]
    assert not [path for path in engine.asked if "2" * 64 in path]


async def test_a_container_in_the_network_of_another_has_its_address(engine, read):
    engine.run(inspected("pod", id="1" * 64, networks={"n": "10.0.0.5"}))
    engine.run(inspected("app", id="2" * 64, mode=f"container:{'1' * 64}", networks={}))
    found, _ = await read()
    assert found["app"].address() == "10.0.0.5"


async def test_a_container_in_the_network_of_an_unreadable_one_is_unreadable(engine, read):
    engine.run(inspected("pod", id="1" * 64))
    engine.run(inspected("app", id="2" * 64, mode=f"container:{'1' * 64}", networks={}))
    engine.failing.add("1" * 64)
    assert list(map(set, await read())) == [set(), {"pod", "app"}]


@pytest.mark.parametrize("trouble", ["hanging", "failing"])
async def test_an_unreadable_container_affects_no_other(engine, read, trouble):
    engine.run(WEB)
    engine.run(OTHER)
    getattr(engine, trouble).add(OTHER["Id"])
    found, unread = await read()
    assert list(found) == ["web-1"]
    words = {"hanging": "no answer within 0.5 s", "failing": "answered 500: layer not known"}
    assert unread["db-1"].problem == f"it cannot be read: Docker at {engine.url}: {words[trouble]}"


async def test_an_invalid_container_affects_no_other(engine, read):
    engine.run(WEB)
    engine.run({"Id": OTHER["Id"], "State": {"Status": "running"}})
    found, unread = await read()
    assert list(found) == ["web-1"]
    assert "description of a container" in unread["nameless"].reason


async def test_an_unreadable_container_keeps_its_last_data(engine, read):
    engine.run(WEB)
    await read()
    engine.failing.add(WEB["Id"])
    found, unread = await read()
    assert unread == {}
    assert found["web-1"].address() == "172.17.0.2"
    assert found["web-1"].problems[0].startswith("it cannot be read: ")
    engine.failing.clear()
    assert (await read())[0]["web-1"].problems == ()


@pytest.mark.parametrize(
    ("status", "running", "paused"),
    [("exited", False, False), ("paused", True, True), ("restarting", False, False)],
)
async def test_an_unreadable_container_that_is_not_listed_is_removed(engine, read, status, running, paused):
    engine.run(WEB)
    await read()
    engine.failing.add(WEB["Id"])
    engine.run(inspected("web-1", id=WEB["Id"], status=status))
    found, _ = await read()
    assert (found["web-1"].running, found["web-1"].paused) == (running, paused)


async def test_an_unreadable_container_that_was_restarted_is_unknown(engine, read):
    engine.run(inspected("web-1", id=WEB["Id"], running=False))
    await read()
    engine.failing.add(WEB["Id"])
    engine.run(WEB)
    assert list(map(list, await read())) == [[], ["web-1"]]


async def test_a_hanging_inspection_is_not_repeated_immediately(engine, read, clock):
    engine.run(WEB)
    engine.hanging.add(WEB["Id"])

    def asked():
        return sum(WEB["Id"] in path for path in engine.asked)

    await read()
    await read()
    assert asked() == 1
    clock.now = 31.0
    await read()
    assert asked() == 2
    read.reader.changed([WEB["Id"]])
    engine.hanging.clear()
    assert list((await read())[0]) == ["web-1"]


async def test_an_engine_that_lists_nothing_is_an_error(engine, read):
    engine.broken = True
    with pytest.raises(EngineError, match="out of order"):
        await read()

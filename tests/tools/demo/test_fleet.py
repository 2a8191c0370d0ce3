import asyncio
import os
import signal

import pytest

from pylb.errors import StartError
from pylb.tools.demo import fleet as module
from pylb.tools.demo.fleet import Fleet
from tests.tools.demo.processes import alive, descendants
from tests.until import until

pytestmark = pytest.mark.slow


@pytest.fixture
def in_use():
    """The addresses that count as in use by the load balancer."""
    return set()


@pytest.fixture
async def fleet(client, in_use):
    async with Fleet(client, "web", in_use.__contains__) as fleet:
        yield fleet


def names(fleet):
    return [instance.name for instance in fleet.instances]


async def test_instances_are_added_in_order_and_one_stays_in_reserve(fleet, statuses, http):
    await fleet.grow(2)
    assert names(fleet) == ["web-1", "web-2"]
    assert await statuses() == {"web-1": "passing", "web-2": "passing"}
    reserve = await until(lambda: fleet.reserve, 20)
    assert reserve.name == "web-3"
    async with http.get(f"http://{reserve.endpoint.authority}/") as answer:
        assert "answered by web-3" in await answer.text()
    await fleet.grow()
    assert await statuses() == dict.fromkeys(["web-1", "web-2", "web-3"], "passing")


async def test_a_reserve_registered_by_another_program_is_adopted(fleet, in_use):
    await fleet.grow()
    reserve = await until(lambda: fleet.reserve, 20)
    fleet.adopt()
    assert names(fleet) == ["web-1"]
    in_use.add(reserve.endpoint.authority)
    fleet.adopt()
    assert names(fleet) == ["web-1", "web-2"]
    await until(lambda: fleet.reserve and fleet.reserve.name == "web-3", 20)


async def test_the_newest_instance_stops_when_it_is_no_longer_in_use(fleet, in_use, statuses, http):
    await fleet.grow(2)
    leaving = fleet.instances[1]
    in_use.add(leaving.endpoint.authority)
    shrinking = asyncio.gather(fleet.shrink())
    while await statuses() != {"web-1": "passing"}:
        await asyncio.sleep(0.01)
    async with http.get(f"http://{leaving.endpoint.authority}/") as answer:
        assert answer.status == 200
    assert leaving.process.returncode is None
    await http.close()
    in_use.clear()
    await shrinking
    async with asyncio.timeout(10):
        assert await leaving.process.wait() == 0


async def test_an_instance_in_use_stops_after_the_drain_timeout(fleet, in_use, monkeypatch, caplog):
    monkeypatch.setattr(module, "DRAIN_TIMEOUT", 0.05)
    await fleet.grow(2)
    leaving = fleet.instances[1]
    in_use.add(leaving.endpoint.authority)
    await fleet.shrink()
    assert "web-2 is stopped with requests in flight" in caplog.text
    async with asyncio.timeout(10):
        await leaving.process.wait()


async def test_the_last_instance_is_not_removed(fleet, statuses):
    await fleet.grow()
    await fleet.shrink()
    assert await statuses() == {"web-1": "passing"}


async def test_a_dead_instance_is_logged_and_a_dead_reserve_is_replaced(fleet, caplog):
    caplog.set_level("INFO")
    await fleet.grow(2)
    reserve = await until(lambda: fleet.reserve, 20)
    reserve.process.kill()
    fleet.instances[0].process.kill()
    await until(lambda: names(fleet) == ["web-2"])
    await until(lambda: fleet.reserve and fleet.reserve.name == "web-4", 20)
    assert "web-1 has ended with code -9" in caplog.text


async def test_output_of_a_process_is_logged(fleet, caplog, tmp_path, monkeypatch):
    talker = tmp_path / "python"
    talker.write_text("#!/bin/sh\necho x listens on http://127.0.0.1:9\necho\necho something odd >&2\n")
    talker.chmod(0o755)
    monkeypatch.setattr(module.sys, "executable", str(talker))
    await fleet.grow()
    await fleet.grow()
    await until(lambda: "web-2: something odd" in caplog.text)


@pytest.mark.logs_error("web-[12] did not start")  # web-2 is the reserve, which may end before the test
async def test_a_process_that_does_not_start_is_an_error(client, monkeypatch):
    monkeypatch.setattr(module.sys, "executable", "/bin/false")
    async with Fleet(client, "web", lambda address: False) as fleet:
        with pytest.raises(StartError, match="web-1 did not start: expected its address, got ''"):
            await fleet.grow()
        assert fleet.reserve is None


async def test_closing_the_fleet_ends_its_processes(client):
    others = descendants(os.getpid())
    async with Fleet(client, "web", lambda address: False) as fleet:
        await fleet.grow(2)
        processes = descendants(os.getpid()) - others
        assert len(alive(processes)) >= 3
    assert alive(processes) == set()


async def test_a_hanging_process_is_killed(client, monkeypatch):
    monkeypatch.setattr(module, "END_TIMEOUT", 0.1)
    async with Fleet(client, "web", lambda address: False) as fleet:
        await fleet.grow()
        hanging = fleet.instances[0].process
        hanging.send_signal(signal.SIGSTOP)
    async with asyncio.timeout(10):
        assert await hanging.wait() == -signal.SIGKILL


async def test_environment_variables_of_the_demo_do_not_reach_its_instances(fleet, monkeypatch, statuses):
    monkeypatch.setenv("PYLB_NAME", "confused")
    monkeypatch.setenv("PYLB_REGISTER", "127.0.0.1:1")
    await fleet.grow()
    assert await statuses() == {"web-1": "passing"}

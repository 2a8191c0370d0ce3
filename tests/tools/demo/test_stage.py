import asyncio
import logging
import shlex
from contextlib import nullcontext

import pytest

from pylb.config.kinds import Address
from pylb.runtime.sockets import open_sockets
from pylb.tools.demo.stage import set_up
from pylb.tools.demo.traffic import CLIENTS
from tests.until import until

pytestmark = pytest.mark.slow


class Eyes:
    """A display that only looks."""

    news = logging.NullHandler()

    def __init__(self):
        self.moment = None
        self.press = None

    def open(self, signs, press):
        self.press = press
        return nullcontext()

    def show(self, moment):
        self.moment = moment

    @property
    def rows(self):
        return self.moment.standing.rows if self.moment else ()

    def sees(self, *names):
        return [row.name for row in self.rows if row.up] == list(names)


@pytest.fixture
async def eyes():
    """On a demo with two instances."""
    eyes = Eyes()
    listening = open_sockets((Address("127.0.0.1", 0),))
    host, port = listening[0].getsockname()
    eyes.url = f"http://{host}:{port}/"
    async with set_up(eyes.url, registry_port=0, size=2, policy="least-connections") as stage:
        eyes.stage = stage
        performance = asyncio.gather(stage.perform(listening, [], [], eyes))
        await until(lambda: eyes.sees("web-1", "web-2"), 20)
        yield eyes
        stage.end()
        async with asyncio.timeout(10):
            assert await performance == [0]


async def test_keys_add_and_remove_instances_and_no_request_fails(eyes):
    eyes.press("t")
    await until(lambda: eyes.moment.standing.requests > 20)
    assert eyes.moment.traffic
    eyes.press("+")
    await until(lambda: eyes.sees("web-1", "web-2", "web-3") and eyes.rows[2].requests > 5)
    eyes.press("=")
    await until(lambda: eyes.sees("web-1", "web-2", "web-3", "web-4"), 20)
    for _ in range(2):
        eyes.press("-")
    await until(lambda: eyes.sees("web-1", "web-2"))
    requests = eyes.moment.standing.requests
    await until(lambda: eyes.moment.standing.requests > requests + 20)
    eyes.press("t")
    await until(lambda: not eyes.moment.traffic)
    assert eyes.stage.traffic.failed == eyes.moment.standing.errors == 0


async def test_the_command_by_hand_adds_one_and_the_next_is_shown(eyes, http):
    command = await until(lambda: eyes.moment.by_hand, 20)
    assert '"web-3"' in command
    _, _, method, place, _, data = shlex.split(command)
    async with http.request(method, f"http://{place}", data=data) as answer:
        assert answer.status == 200
    await until(lambda: eyes.sees("web-1", "web-2", "web-3"))
    await until(lambda: '"web-4"' in eyes.moment.by_hand, 20)
    eyes.press("-")
    await until(lambda: eyes.sees("web-1", "web-2"))


async def test_a_crash_is_explained_and_costs_at_most_what_was_in_flight(eyes):
    eyes.press("t")
    await until(lambda: eyes.moment.standing.requests > 20)
    eyes.stage.fleet.instances[0].process.kill()
    row = await until(lambda: next((row for row in eyes.rows if row.reason), None), 10)
    assert row.name == "web-1"
    assert row.reason.startswith("critical")
    assert eyes.sees("web-2")
    assert eyes.stage.traffic.failed <= CLIENTS


async def test_processes_are_named(eyes):
    instances = eyes.stage.fleet.instances
    assert eyes.moment.processes == {each.endpoint.authority: each.process.pid for each in instances}


async def test_a_key_without_meaning_does_nothing(eyes):
    eyes.press("x")
    eyes.press("\n")
    await until(lambda: eyes.sees("web-1", "web-2"))


async def test_q_ends_it(eyes):
    eyes.press("t")
    await until(lambda: eyes.moment.standing.requests > 20)
    eyes.press("q")
    await until(lambda: eyes.stage.balancer.lifecycle.state.word == "stopped")
    assert eyes.stage.traffic.failed == 0


async def test_a_taken_registry_port_is_replaced():
    with open_sockets((Address("127.0.0.1", 0),))[0] as taken:
        taken.listen()
        port = taken.getsockname()[1]
        async with set_up("http://127.0.0.1:9/", registry_port=port, size=1, policy="random") as stage:
            assert stage.registry.port not in {0, port}

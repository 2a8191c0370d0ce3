import asyncio
import logging
import shlex
from contextlib import nullcontext

import pytest

from pylb.config.kinds import Address
from pylb.runtime.sockets import open_sockets
from pylb.tools.demo.environment import set_up
from pylb.tools.demo.traffic import CLIENTS
from tests.until import until

pytestmark = pytest.mark.slow


class RecordingDisplay:
    """A display that stores the last frame."""

    log_handler = logging.NullHandler()

    def __init__(self):
        self.frame = None
        self.press = None

    def open(self, links, press):
        self.press = press
        return nullcontext()

    def show(self, frame):
        self.frame = frame

    @property
    def rows(self):
        return self.frame.summary.rows if self.frame else ()

    def shows(self, *names):
        return [row.name for row in self.rows if row.up] == list(names)


@pytest.fixture
async def display():
    """The display of a demo with two instances."""
    display = RecordingDisplay()
    listening = open_sockets((Address("127.0.0.1", 0),))
    host, port = listening[0].getsockname()
    display.url = f"http://{host}:{port}/"
    async with set_up(display.url, registry_port=0, size=2, policy="least-connections") as environment:
        display.environment = environment
        serving = asyncio.gather(environment.serve(listening, [], [], display))
        await until(lambda: display.shows("web-1", "web-2"), 20)
        yield display
        environment.end()
        async with asyncio.timeout(10):
            assert await serving == [0]


async def test_keys_add_and_remove_instances_without_failed_requests(display):
    display.press("t")
    await until(lambda: display.frame.summary.requests > 20)
    assert display.frame.traffic
    display.press("+")
    await until(lambda: display.shows("web-1", "web-2", "web-3") and display.rows[2].requests > 5)
    display.press("=")
    await until(lambda: display.shows("web-1", "web-2", "web-3", "web-4"), 20)
    for _ in range(2):
        display.press("-")
    await until(lambda: display.shows("web-1", "web-2"))
    requests = display.frame.summary.requests
    await until(lambda: display.frame.summary.requests > requests + 20)
    display.press("t")
    await until(lambda: not display.frame.traffic)
    assert display.environment.traffic.failed == display.frame.summary.errors == 0


async def test_the_registration_command_adds_an_instance_and_the_next_command_is_shown(display, http):
    command = await until(lambda: display.frame.registration_command, 20)
    assert '"web-3"' in command
    _, _, method, place, _, data = shlex.split(command)
    async with http.request(method, f"http://{place}", data=data) as answer:
        assert answer.status == 200
    await until(lambda: display.shows("web-1", "web-2", "web-3"))
    await until(lambda: '"web-4"' in display.frame.registration_command, 20)
    display.press("-")
    await until(lambda: display.shows("web-1", "web-2"))


async def test_a_crash_is_shown_and_loses_only_requests_in_flight(display):
    display.press("t")
    await until(lambda: display.frame.summary.requests > 20)
    display.environment.fleet.instances[0].process.kill()
    row = await until(lambda: next((row for row in display.rows if row.reason), None), 10)
    assert row.name == "web-1"
    assert row.reason.startswith("critical")
    assert display.shows("web-2")
    assert display.environment.traffic.failed <= CLIENTS


async def test_process_ids_are_shown(display):
    instances = display.environment.fleet.instances
    assert display.frame.processes == {each.endpoint.authority: each.process.pid for each in instances}


async def test_an_unknown_key_has_no_effect(display):
    display.press("x")
    display.press("\n")
    await until(lambda: display.shows("web-1", "web-2"))


async def test_q_ends_the_demo(display):
    display.press("t")
    await until(lambda: display.frame.summary.requests > 20)
    display.press("q")
    await until(lambda: display.environment.balancer.lifecycle.state.word == "stopped")
    assert display.environment.traffic.failed == 0


async def test_a_registry_port_in_use_is_replaced_by_a_free_one():
    with open_sockets((Address("127.0.0.1", 0),))[0] as taken:
        taken.listen()
        port = taken.getsockname()[1]
        async with set_up("http://127.0.0.1:9/", registry_port=port, size=1, policy="random") as environment:
            assert environment.registry.port not in {0, port}

"""Each compose file with the other generation of Compose, and the one without Consul."""

import time

import pytest

from tests.docker.compose import NEW, OLD, Stack
from tests.docker.traffic import until_answers_come_from

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("file", "command"),
    [("compose.yml", OLD), ("compose.docker.yml", NEW)],
    ids=["compose.yml, docker-compose", "compose.docker.yml, docker compose"],
)
async def test_compose_files_start_scale_and_stop(own_engine, file, command):
    stack = Stack(own_engine, file, command)
    stack.up(web=1)
    one = stack.containers("web")
    try:
        await until_answers_come_from(own_engine, one)
        stack.up(web=3)
        three = stack.containers("web")
        assert len(three) == 3
        assert one < three
        await until_answers_come_from(own_engine, three)
        stack.up(web=1)
        await until_answers_come_from(own_engine, one)
    finally:
        ends = ended(own_engine, stack.down)
    assert own_engine.docker("ps", "--all", "--quiet") == ""
    assert [service for service, _ in ends] == [each for each in ORDER if each in dict(ends)]
    assert {service: code for service, code in ends if service != "consul"} == dict.fromkeys(
        set(dict(ends)) - {"consul"}, 0
    )


ORDER = ("lb", "web", "registrator", "consul")
"""Clients end before their servers, and registrators before the registry."""


def ended(engine, stop):
    """Stop a stack; return which services ended meanwhile, in order, each with its exit code."""
    since = time.time()
    stop()
    window = (f"--since={since:.3f}", f"--until={time.time():.3f}", "--filter=event=die")
    template = '{{index .Actor.Attributes "com.docker.compose.service"}} {{.Actor.Attributes.exitCode}}'
    lines = engine.docker("events", *window, "--format", template).splitlines()
    return [(service, int(code)) for service, code in map(str.split, lines)]

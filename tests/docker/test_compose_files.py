"""Each compose file with the other generation of Compose, and the one without Consul."""

import pytest

from tests.docker.compose import NEW, OLD, Stack
from tests.docker.traffic import until_answers_come_from

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("file", "command"),
    [("compose.yml", OLD), ("compose.docker.yml", NEW)],
    ids=["compose.yml, docker-compose", "compose.docker.yml, docker compose"],
)
async def test_up_scaled_and_down(own_engine, file, command):
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
        stack.down()
    assert own_engine.docker("ps", "--all", "--quiet") == ""

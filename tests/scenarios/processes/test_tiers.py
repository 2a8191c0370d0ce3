"""A reserve behind two workers: explained by the API, used without loss when the preferred one ends."""

import json

import pytest

from tests.environment import Origin, answers

pytestmark = pytest.mark.slow


async def test_a_reserve_is_standby_until_the_preferred_instance_ends(program):
    one, reserve = Origin(answers(b"one")), Origin(answers(b"reserve"))
    await one.start("one")
    await reserve.start("reserve")
    backends = f"{one.endpoint.authority};zone=east,{reserve.endpoint.authority};zone=west"
    pylb = program("--static", backends, "--zone", "east", "--upstream-keepalive", "0")
    await pylb.start()

    async def explained():
        return json.loads((await pylb.get("/api/explain?target=/"))[1])

    async def served(count=20):
        answered = [await pylb.get("/", admin=False) for _ in range(count)]
        assert {status for status, _ in answered} == {200}
        return {body for _, body in answered}

    found = await explained()
    assert [each["address"] for each in found["candidates"]] == [one.endpoint.authority]
    assert [each["reason"] for each in found["excluded"]] == [
        "standby: priority 0 in zone west, and better tiers have enough capacity"
    ]
    assert await served() == {"one"}
    one.close()
    await one.server.wait_closed()
    assert await served() == {"reserve"}
    reserve.close()

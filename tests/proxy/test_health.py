"""Failing backends under load are excluded and restored, with few failed requests."""

import asyncio

import pytest

from pylb.policy.backend import State
from tests.environment import Environment, answers, read_request
from tests.until import until

QUICK = {"suspect_time": 0.05, "eject_time": 0.05}


def states(environment):
    return {b.endpoint.id: b.state for b in environment.pool.backends.values()}


async def resets(reader, writer):
    await read_request(reader)
    writer.transport.abort()


async def test_a_backend_with_broken_connections_is_excluded_and_restored():
    async with Environment(**QUICK) as environment:
        for _ in range(2):
            await environment.origin(answers(b"hello"))
        broken = await environment.origin(resets)
        for _ in range(3):
            await environment.get()
        assert states(environment)["web-3"] is State.SUSPECT
        asked = len(environment.records)
        broken.handler = answers(b"healed")
        await until(lambda: states(environment)["web-3"] is State.HALF_OPEN)
        assert (await environment.get())[2] == b"healed"
        assert states(environment)["web-3"] is State.UP
        assert {record.status for record in environment.records[asked:]} == {200}


async def test_a_backend_with_500_responses_is_ejected_and_restored():
    async with Environment(**QUICK) as environment:
        for _ in range(2):
            await environment.origin(answers(b"hello"))
        broken = await environment.origin(answers(b"no", status=b"500 No", extra=b"Connection: close\r\n"))
        statuses = [(await environment.get())[0] for _ in range(15)]
        assert statuses.count(500) == 5
        assert states(environment)["web-3"] is State.EJECTED
        broken.handler = answers(b"healed")
        await until(lambda: states(environment)["web-3"] is State.HALF_OPEN)
        assert (await environment.get())[2] == b"healed"
        assert states(environment)["web-3"] is State.UP


async def test_an_open_tunnel_restores_a_half_open_backend():
    async def upgrades(reader, writer):
        await read_request(reader)
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        await reader.read(-1)

    async with Environment(**QUICK) as environment:
        await environment.origin(answers(b"hello"))
        broken = await environment.origin(resets)
        for _ in range(2):
            await environment.get()
        broken.handler = upgrades
        await until(lambda: states(environment)["web-2"] is State.HALF_OPEN)
        client = await environment.client()
        client.send(b"GET / HTTP/1.1\r\nHost: web\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        assert (await client.head()).startswith(b"HTTP/1.1 101")
        assert states(environment)["web-2"] is State.UP
        client.close()


async def test_a_backend_that_never_answers_is_ejected():
    async def silent(reader, writer):
        await reader.read(-1)

    async with Environment(response_timeout=0.01, eject_failures=2) as environment:
        for _ in range(2):
            await environment.origin(answers(b"hello"))
        await environment.origin(silent)
        async with asyncio.TaskGroup() as clients:
            asked = [clients.create_task(environment.get()) for _ in range(6)]
        assert states(environment)["web-3"] is State.EJECTED
        assert {ask.result()[0] for ask in asked} <= {200, 504}


@pytest.mark.parametrize("count", [1, 2, 3])
async def test_if_all_backends_fail_all_receive_requests(count):
    async with Environment() as environment:
        for _ in range(count):
            await environment.origin(answers(b"no", status=b"500 Internal Server Error"))
        assert {(await environment.get())[0] for _ in range(12 * count)} == {500}
        assert environment.pool.eligible

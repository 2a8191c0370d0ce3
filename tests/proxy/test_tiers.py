"""A standby behind real sockets: it takes over without a lost request."""

from dataclasses import replace

from tests.environment import Environment, answers, read_request


async def test_a_standby_takes_over_without_a_lost_request():
    crashed = False

    async def best(reader, writer):
        while await read_request(reader) and not crashed:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbest")

    async with Environment() as environment:
        first = await environment.origin(best)
        standby = await environment.origin(answers(b"standby"))
        environment.register(first.endpoint, replace(standby.endpoint, priority=1))
        assert {(await environment.get())[::2] for _ in range(20)} == {(200, b"best")}
        first.close()
        crashed = True
        assert {(await environment.get())[::2] for _ in range(20)} == {(200, b"standby")}

"""Opening connections to addresses and names, including refusing and silent ones."""

import asyncio
import socket

from pylb.model import Endpoint
from pylb.proxy.upstream.connector import literal
from tests.environment import HOST, Environment, answers
from tests.until import until


def test_an_address_needs_no_look_up():
    assert literal("10.0.0.1", 80) == ((socket.AF_INET, ("10.0.0.1", 80)),)
    ((family, place),) = literal("::1", 80)
    assert family == socket.AF_INET6
    assert place[:2] == ("::1", 80)
    assert literal("web.example", 80) == ()


async def test_a_backend_may_be_a_name():
    async with Environment() as environment:
        origin = await environment.origin(answers(b"hello"))
        environment.register(Endpoint("web", "localhost", origin.endpoint.port, id="by-name"))
        assert (await environment.get())[2] == b"hello"


async def test_an_unresolvable_name_is_a_503():
    async with Environment() as environment:
        environment.register(Endpoint("web", "no-such-host.invalid", 80, id="nowhere"))
        assert (await environment.get())[0] == 503
        assert environment.records[0].termination == "SC"


async def test_a_backend_may_have_an_ipv6_address():
    async with Environment() as environment:
        origin = await environment.origin(answers(b"hello"), host="::1")
        environment.register(Endpoint("web", "::1", origin.endpoint.port, id="six"))
        assert (await environment.get())[2] == b"hello"


async def test_a_disconnect_during_the_connect_is_detected():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        async with Environment() as environment:
            environment.register(Endpoint("web", "127.0.0.1", full.getsockname()[1], id="full"))
            client = await environment.client()
            client.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            await until(lambda: repr(environment.pool).endswith("| 1 active, 0 idle>"))
            client.close()
            await until(lambda: environment.records)
            assert (environment.records[0].termination, environment.records[0].status) == ("CC", 499)
        for one in waiting:
            one.close()


async def test_concurrent_clients_use_separate_connections():
    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await together.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await reader.read(-1)

    together = asyncio.Event()
    async with Environment() as environment:
        origin = await environment.origin(handle)
        gets = [asyncio.ensure_future(environment.get()) for _ in range(40)]  # noqa: TID251
        await until(lambda: origin.open == 40)
        together.set()
        assert {(await get)[2] for get in gets} == {b"ok"}

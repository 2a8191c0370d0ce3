import asyncio

import pytest
from aiohttp import web

from pylb.clients import admin
from pylb.config.kinds import Address
from pylb.errors import StartError


@pytest.fixture
async def answers(aiohttp_server):
    """A server that answers so; where it is."""

    async def start(body, status=200):
        async def handle(request):
            return web.Response(text=body or str(request.rel_url), status=status)

        app = web.Application()
        app.router.add_get("/{path:.*}", handle)
        server = await aiohttp_server(app)
        return Address("127.0.0.1", server.port)

    return start


async def read(address, *path, **query):
    return await asyncio.to_thread(admin.read, address, *path, **query)


async def test_the_json_of_a_response_is_returned(answers):
    assert await read(await answers('{"a": 1}'), "/api/state") == {"a": 1}


async def test_parameters_are_escaped(answers):
    where = await answers("")
    with pytest.raises(StartError, match="not as a pylb does"):
        await read(where, "/api/explain", target="/a b&c")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ("<html>", 404, "not as a pylb does \\(404\\)"),
        ('{"error": "not from there"}', 403, "refuses: not from there"),
    ],
)
async def test_an_invalid_response_is_a_one_line_error(answers, body, status, words):
    with pytest.raises(StartError, match=words):
        await read(await answers(body, status), "/api/state")


async def test_a_unix_socket_can_be_used(tmp_path):
    path = str(tmp_path / "admin")

    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]")
        writer.close()

    server = await asyncio.start_unix_server(handle, path)
    assert await read(Address(path=path), "/api/history") == []
    server.close()

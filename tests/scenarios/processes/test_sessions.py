"""Applications with sessions in memory behind several workers, while instances come and go."""

import asyncio
import signal
import uuid

import aiohttp
import pytest

from tests.environment import read_request

pytestmark = pytest.mark.slow


def application(number):
    """An application that knows its own sessions only."""
    known = set()

    async def handle(reader, writer):
        while head := await read_request(reader):
            cookies = dict(
                pair.split("=", 1)
                for line in head.decode().split("\r\n")
                if line.lower().startswith("cookie:")
                for pair in line[7:].strip().split("; ")
            )
            session = cookies.get("app")
            began = session not in known
            if began:
                session = uuid.uuid4().hex
                known.add(session)
            body = f"{number} {'new' if began else 'known'}".encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\nSet-Cookie: app=%b\r\nContent-Length: %d\r\n\r\n%b"
                % (session.encode(), len(body), body)
            )

    return handle


@pytest.mark.parametrize("key", [True, False])
async def test_sessions_survive_reload_and_change_of_a_file_of_instances(program, tmp_path, key):
    options = ["--sticky", "cookie", *(["--sticky-key", "a key for this test"] if key else [])]
    pylb = program(*options, workers=2)
    for number in range(4):
        await pylb.origin(application(number))
    await pylb.start()
    jars = [aiohttp.CookieJar(unsafe=True) for _ in range(20)]

    async def visit(jar):
        async with aiohttp.ClientSession(cookie_jar=jar) as session, session.get(pylb.url) as response:
            assert response.status == 200
            return (await response.text()).split()

    first = [await visit(jar) for jar in jars]
    assert len({number for number, _ in first}) == 4
    for _ in range(3):
        again = await asyncio.gather(*map(visit, jars))
        assert again == [[number, "known"] for number, _ in first]
    pylb.send(signal.SIGHUP)
    await pylb.logged("generation 2 serves")
    for _ in range(20):
        again = await asyncio.gather(*map(visit, jars))
        assert again == [[number, "known"] for number, _ in first]

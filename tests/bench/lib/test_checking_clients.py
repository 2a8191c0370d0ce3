"""Checking clients count each way in which a connection can end separately."""

import asyncio
import socket
import struct
from contextlib import suppress

import pytest

from bench.lib.checking_clients import CheckingClients
from tests.environment import Origin
from tests.until import until

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def end(writer):
    writer.close()


async def reset(writer):
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


@pytest.mark.parametrize(
    ("answer", "after", "seen"),
    [
        (WHOLE, None, "answers"),
        (WHOLE.replace(b"200 OK", b"503 No"), None, "bad_status"),
        (WHOLE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), end, "closed_announced"),
        (WHOLE, end, "closed_unannounced"),
        (WHOLE[:-1], end, "truncated"),
        (b"", end, "truncated"),
        (b"", reset, "reset"),
    ],
)
async def test_the_end_of_a_connection_is_counted_by_its_kind(answer, after, seen):
    async def serve(reader, writer):
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(answer)
            if after:
                await after(writer)

    origin = Origin(serve)
    await origin.start("web-1")
    clients = CheckingClients(origin.endpoint.port)
    asking = asyncio.get_running_loop().create_task(clients.run())
    await until(lambda: clients.seen.total() >= 2)
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking
    await asyncio.sleep(0.05)  # asyncio leaks a connection that it is accepting when its server is closed.
    origin.close()
    await until(lambda: not origin.open)
    await asyncio.sleep(0)  # The last transport closes in the next iteration of the loop.
    assert set(clients.seen) <= {seen, "answers"}
    assert clients.seen[seen] >= 1
    noted = {name for _, name in clients.troubles}
    assert noted == {seen} - {"answers", "closed_announced", "closed_unannounced"}


async def test_a_request_without_a_response_within_the_timeout_counts_as_timed_out():
    async def never_answer(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    clients = CheckingClients(server.sockets[0].getsockname()[1], timeout=0.05)
    asking = asyncio.get_running_loop().create_task(clients.run())
    await until(lambda: clients.seen["timed_out"] >= 2)
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking
    server.close()
    first, second = clients.troubles[:2]
    assert first[1] == second[1] == "timed_out"
    assert second[0] - first[0] >= 0.04


async def test_a_refused_connection_is_counted():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    clients = CheckingClients(port)
    asking = asyncio.get_running_loop().create_task(clients.run())
    await until(lambda: clients.seen)
    asking.cancel()
    assert set(clients.seen) == {"refused"}

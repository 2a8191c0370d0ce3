"""Requests that wait for a backend with capacity, from the client's side."""

import asyncio

from tests.environment import HOST, Environment, read_request
from tests.until import until

GET = b"GET /%d HTTP/1.1\r\n" + HOST + b"\r\n"


class Slow:
    """Answers requests on command and checks the limit of requests."""

    def __init__(self):
        self.paths = []
        self.most = 0
        self._open = 0
        self._permits = asyncio.Semaphore(0)

    async def __call__(self, reader, writer):
        while head := await read_request(reader):
            self.paths.append(int(head.split()[1][1:]))
            self._open += 1
            self.most = max(self.most, self._open)
            await self._permits.acquire()
            self._open -= 1
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def answer(self, count=1):
        for _ in range(count):
            self._permits.release()


async def crowd(environment, count):
    """Start clients one after the other."""
    clients = []
    for number in range(count):
        clients.append((await environment.client()).send(GET % number))
        await until(lambda: environment.pool.requests == len(clients))
    return clients


async def test_a_backend_never_has_more_than_its_limit_and_all_are_answered_in_order():
    async with Environment(max_conn=2) as environment:
        slow = Slow()
        await environment.origin(slow)
        clients = await crowd(environment, 8)
        assert len(environment.pool.queue) == 6
        slow.answer(8)
        assert [(await client.answer())[0] for client in clients] == [200] * 8
        assert slow.most == 2
        assert slow.paths == sorted(slow.paths)
        await until(lambda: len(environment.records) == 8)
        assert {record.termination for record in environment.records} == {"--"}
        assert environment.pool.eligible[0].inflight == 0


async def test_a_request_beyond_the_queue_timeout_is_a_503():
    async with Environment(max_conn=1, queue_timeout=0.1) as environment:
        slow = Slow()
        await environment.origin(slow)
        first, second = await crowd(environment, 2)
        status, head, _ = await second.answer()
        assert (status, b"retry-after: 1" in head.lower()) == (503, True)
        assert environment.records[0].termination == "sQ"
        assert environment.pool.events == {"queued": 1, "queue_timeout": 1}
        slow.answer()
        assert (await first.answer())[0] == 200
        assert slow.paths == [0]


async def test_a_full_queue_is_a_503_immediately():
    async with Environment(max_conn=1, max_queue=1) as environment:
        slow = Slow()
        await environment.origin(slow)
        *_, third = await crowd(environment, 3)
        assert (await third.answer())[0] == 503
        assert environment.records[0].termination == "RQ"


async def test_a_disconnected_client_leaves_the_queue():
    async with Environment(max_conn=1) as environment:
        slow = Slow()
        await environment.origin(slow)
        first, second, third = await crowd(environment, 3)
        second.close()
        await until(lambda: len(environment.pool.queue) == 1)
        assert environment.records[0].termination == "CQ"
        slow.answer(2)
        assert [(await client.answer())[0] for client in (first, third)] == [200, 200]
        assert slow.paths == [0, 2]


async def test_a_body_waits_with_its_request():
    async with Environment(max_conn=1) as environment:
        slow = Slow()
        await environment.origin(slow)
        (first,) = await crowd(environment, 1)
        second = await environment.client()
        second.send(b"POST /1 HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello")
        await until(lambda: len(environment.pool.queue) == 1)
        slow.answer(2)
        assert [(await client.answer())[0] for client in (first, second)] == [200, 200]

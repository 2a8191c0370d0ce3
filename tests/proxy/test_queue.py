"""Requests that wait for a backend with capacity, from the client's side."""

import asyncio

from tests.stage import HOST, Stage, read_request
from tests.until import until

GET = b"GET /%d HTTP/1.1\r\n" + HOST + b"\r\n"


class Slow:
    """Answers requests on command and checks the limit of requests."""

    def __init__(self):
        self.paths = []
        self.most = 0
        self._open = 0
        self._turns = asyncio.Semaphore(0)

    async def __call__(self, reader, writer):
        while head := await read_request(reader):
            self.paths.append(int(head.split()[1][1:]))
            self._open += 1
            self.most = max(self.most, self._open)
            await self._turns.acquire()
            self._open -= 1
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def answer(self, count=1):
        for _ in range(count):
            self._turns.release()


async def crowd(stage, count):
    """Start clients one after the other."""
    clients = []
    for number in range(count):
        clients.append((await stage.client()).send(GET % number))
        await until(lambda: stage.pool.requests == len(clients))
    return clients


async def test_a_backend_never_has_more_than_its_limit_and_all_are_answered_in_order():
    async with Stage(max_conn=2) as stage:
        slow = Slow()
        await stage.origin(slow)
        clients = await crowd(stage, 8)
        assert len(stage.pool.queue) == 6
        slow.answer(8)
        assert [(await client.answer())[0] for client in clients] == [200] * 8
        assert slow.most == 2
        assert slow.paths == sorted(slow.paths)
        await until(lambda: len(stage.records) == 8)
        assert {record.termination for record in stage.records} == {"--"}
        assert stage.pool.eligible[0].inflight == 0


async def test_a_request_beyond_the_queue_timeout_is_a_503():
    async with Stage(max_conn=1, queue_timeout=0.1) as stage:
        slow = Slow()
        await stage.origin(slow)
        first, second = await crowd(stage, 2)
        status, head, _ = await second.answer()
        assert (status, b"retry-after: 1" in head.lower()) == (503, True)
        assert stage.records[0].termination == "sQ"
        assert stage.pool.events == {"queued": 1, "queue_timeout": 1}
        slow.answer()
        assert (await first.answer())[0] == 200
        assert slow.paths == [0]


async def test_a_full_queue_is_a_503_immediately():
    async with Stage(max_conn=1, max_queue=1) as stage:
        slow = Slow()
        await stage.origin(slow)
        *_, third = await crowd(stage, 3)
        assert (await third.answer())[0] == 503
        assert stage.records[0].termination == "RQ"


async def test_a_disconnected_client_leaves_the_queue():
    async with Stage(max_conn=1) as stage:
        slow = Slow()
        await stage.origin(slow)
        first, second, third = await crowd(stage, 3)
        second.close()
        await until(lambda: len(stage.pool.queue) == 1)
        assert stage.records[0].termination == "CQ"
        slow.answer(2)
        assert [(await client.answer())[0] for client in (first, third)] == [200, 200]
        assert slow.paths == [0, 2]


async def test_a_body_waits_with_its_request():
    async with Stage(max_conn=1) as stage:
        slow = Slow()
        await stage.origin(slow)
        (first,) = await crowd(stage, 1)
        second = await stage.client()
        second.send(b"POST /1 HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello")
        await until(lambda: len(stage.pool.queue) == 1)
        slow.answer(2)
        assert [(await client.answer())[0] for client in (first, second)] == [200, 200]

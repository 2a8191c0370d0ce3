"""How often one request reaches backends, and which: never more often than the rules of retries allow."""

import asyncio
from dataclasses import replace
from itertools import groupby

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from pylb.config.backends import CONDITIONS
from pylb.policy.backend import State
from tests.environment import HOST, Environment, answers, read_request
from tests.until import until

NEVER_OUT = {"suspect_time": 0, "eject_failures": 0}
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Counting:
    """A backend that keeps its connections open and records each delivery of `/counted`.

    Args:
        name: what it is called in the notes.
        kept: what it does with such a request on a connection that has served another one before.
        fresh: what it does with it on a new connection.
        deliveries: the notes: its name, and whether the connection was kept.
    """

    def __init__(self, name, kept, fresh, deliveries):
        self.name = name
        self.acts = {True: kept, False: fresh}
        self.deliveries = deliveries
        self.waiting = 0
        self.all_there = asyncio.Event()

    async def __call__(self, reader, writer):
        kept = False
        while head := await read_request(reader):
            if b"/counted" in head:
                self.deliveries.append((self.name, kept))
                act = self.acts[kept]
                if act == "hang":
                    await reader.read(-1)
                if act in {"close", "hang"}:
                    return
                writer.write({"busy": BUSY, "answer": OK}[act])
            else:
                self.waiting += 1
                await self.all_there.wait()
                writer.write(OK)
            kept = True


async def keep_connections(environment, backends, count):
    """Open this number of idle connections to each backend."""
    asked = [
        (await environment.client()).send(b"GET /warm HTTP/1.1\r\n" + HOST + b"\r\n") for _ in range(count)
    ]
    await until(lambda: sum(backend.waiting for backend in backends) == count)
    for backend in backends:
        backend.all_there.set()
    for client in asked:
        await client.answer()


async def deliveries(method, acts, retries, *, kept=6, response=60.0):
    """Return the deliveries of a request in order: backend, and whether on a reused connection."""
    noted = []
    async with Environment(**NEVER_OUT, retries=retries, retry_on=frozenset(CONDITIONS)) as environment:
        backends = [Counting(n, *act, noted) for n, act in enumerate(acts)]
        for backend in backends:
            await environment.origin(backend)
        await keep_connections(environment, backends, kept)
        environment.service.timeouts = replace(environment.service.timeouts, response_timeout=response)
        client = await environment.client()
        client.send(method + b" /counted HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nhi")
        await client.answer()
        await until(lambda: len(environment.records) == kept + 1)
        assert len(environment.records[-1].attempts) == len(noted)
    return noted


ACTS = st.lists(
    st.tuples(st.sampled_from(["close", "busy", "answer"]), st.sampled_from(["close", "busy", "answer"])),
    min_size=1,
    max_size=4,
)


@given(st.sampled_from([b"GET", b"PUT", b"POST"]), ACTS, st.integers(0, 3), st.sampled_from([0, 4, 12]))
def test_deliveries_never_exceed_the_rules(method, acts, retries, kept):
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        noted = runner.run(deliveries(method, acts, retries, kept=kept))
    stale = next((n for n, (name, kept) in enumerate(noted) if kept and acts[name][0] == "close"), None)
    resent = stale is not None and method != b"POST"
    assert len(noted) <= 1 + retries + resent
    offered = [name for name, _ in groupby(name for name, _ in noted)]
    assert len(offered) == len(set(offered)), "no backend again that it has left"
    assert len(noted) - len(offered) == resent, "the same backend again only for a stale connection"
    if resent:
        assert noted[stale + 1] == (noted[stale][0], False)
        assert not any(kept for _, kept in noted[stale + 1 :]), "after that on fresh connections only"
    if method != b"GET":
        assert len(offered) == 1


@pytest.mark.parametrize(("method", "most"), [(b"GET", 3), (b"PUT", 1), (b"POST", 1)])
async def test_a_timed_out_request_is_not_resent_to_the_same_backend(method, most):
    assert await deliveries(method, [("hang", "hang")], 2, response=0.1) == [(0, True)]
    noted = await deliveries(method, [("hang", "hang")] * 3, 5, response=0.1)
    assert len(noted) == most == len({name for name, _ in noted})


async def test_a_request_sent_on_a_stale_connection_stays_with_its_backend():
    """The backend may have processed it; a second backend would process it again."""
    gone = asyncio.Event()

    async def answers_once(reader, writer):
        await read_request(reader)
        writer.write(OK)
        await gone.wait()
        await read_request(reader)

    async with Environment(**NEVER_OUT) as environment:
        origin = await environment.origin(answers_once)
        client = (await environment.client()).send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        await client.answer()
        other = await environment.origin(answers())
        origin.close()
        gone.set()
        statuses = set()
        for _ in range(4):
            client.send(b"PUT / HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nhi")
            statuses.add((await client.answer())[0])
            if 503 in statuses:
                break
        assert 503 in statuses
        assert [lease.backend.endpoint.id for lease in environment.records[-1].attempts] == ["web-1", "web-1"]
        assert not any(len(record.attempts) > 1 for record in environment.records[:-1])
        assert other.connections <= 1


async def test_a_resent_request_keeps_its_place_within_limits():
    """Waiting requests do not receive the place, so that the limit holds."""
    inside, most = 0, 0
    proceed = asyncio.Event()

    async def one_at_a_time(reader, writer):
        nonlocal inside, most
        kept = False
        while head := await read_request(reader):
            if kept and b"/counted" in head:
                await proceed.wait()
                return
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1
            kept = True
            writer.write(OK)

    async with Environment(max_conn=1, **NEVER_OUT) as environment:
        await environment.origin(one_at_a_time)
        await environment.get("/warm")
        client = (await environment.client()).send(b"GET /counted HTTP/1.1\r\n" + HOST + b"\r\n")
        await until(lambda: environment.pool.eligible[0].inflight == 1)
        waits = (await environment.client()).send(b"GET /waits HTTP/1.1\r\n" + HOST + b"\r\n")
        await until(lambda: len(environment.pool.queue) == 1)
        proceed.set()
        assert [(await each.answer())[0] for each in (client, waits)] == [200, 200]
        assert most == 1
        await until(lambda: len(environment.records) == 3)
        assert [len(record.attempts) for record in environment.records] == [1, 2, 1]


async def test_a_resent_trial_is_still_the_only_trial():
    async with Environment(suspect_time=0.05, eject_time=0.05) as environment:
        counting = Counting(0, "close", "hang", [])
        counting.all_there.set()
        await environment.origin(counting)
        await environment.get("/warm")
        (half_open,) = environment.pool.eligible
        await environment.origin(answers())
        await environment.get()
        environment.pool.on_peer_update(half_open.identity, State.SUSPECT, until=0.0)
        await until(lambda: half_open.state is State.HALF_OPEN)
        client = (await environment.client()).send(b"GET /counted HTTP/1.1\r\n" + HOST + b"\r\n")
        await until(lambda: counting.deliveries == [(0, True), (0, False)])
        assert [(await environment.get("/counted"))[0] for _ in range(4)] == [200] * 4
        assert counting.deliveries == [(0, True), (0, False)]
        client.close()

"""Connecting to a backend with several addresses, some of which do not respond; lack of descriptors."""

import asyncio
import gc
import os
import resource
import socket
import warnings
from contextlib import ExitStack, contextmanager
from errno import EADDRNOTAVAIL, ENETUNREACH
from time import monotonic

import pytest

from pylb.model import Endpoint
from pylb.policy.backend import State
from pylb.proxy.upstream import reach
from pylb.proxy.upstream.names import Names
from pylb.proxy.upstream.reach import ATTEMPT_DELAY, _failure
from tests.environment import HOST, Environment, answers
from tests.until import until

GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"

LIVE, DEAD, SHUT = "127.0.0.1", "127.0.0.2", "127.0.0.3"
"""The same port answers on the first, swallows the handshake on the second, is closed on the third."""


@contextmanager
def nothing_left_open():
    """Fail if a socket is left to the garbage collector."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        yield
        gc.collect()
    assert [str(warning.message) for warning in caught if "socket" in str(warning.message)] == []


@contextmanager
def swallowing(port, host=DEAD):
    """A listener whose queue is full: the kernel drops every further SYN."""
    with ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind((host, port))
        full.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((host, full.getsockname()[1]))
        yield full.getsockname()[1]


async def by_name(environment, *hosts):
    """A backend that is registered by a name with these addresses."""
    origin = await environment.origin(answers(b"hello", extra=b"Connection: close\r\n"))
    environment.service.connector.names = Names(lambda _: [(socket.AF_INET, (host, 0)) for host in hosts])
    environment.register(Endpoint("web", "app.test", origin.endpoint.port, id="by-name"))
    return origin


async def test_the_next_address_is_tried_while_the_first_one_is_silent(monkeypatch):
    async with Environment(connect_timeout=60) as environment:
        origin = await by_name(environment, DEAD, LIVE)
        with nothing_left_open(), swallowing(origin.endpoint.port):
            begun = monotonic()
            assert (await environment.get())[2] == b"hello"
            assert ATTEMPT_DELAY <= monotonic() - begun < 5
            monkeypatch.setattr(reach, "ATTEMPT_DELAY", 5.0)
            begun = monotonic()
            assert [(await environment.get())[2] for _ in range(4)] == [b"hello"] * 4
            assert monotonic() - begun < 5  # A silent address is tried last for a while.
        assert [len(record.attempts) for record in environment.records] == [1] * 5


@pytest.mark.parametrize("hosts", [(SHUT, SHUT), ("255.255.255.255",)])
async def test_the_next_address_is_tried_immediately_if_the_first_one_refuses(hosts, monkeypatch):
    monkeypatch.setattr(reach, "ATTEMPT_DELAY", 5.0)
    async with Environment(connect_timeout=60) as environment:
        await by_name(environment, *hosts, LIVE)
        with nothing_left_open():
            begun = monotonic()
            assert (await environment.get())[2] == b"hello"
            assert monotonic() - begun < 5


async def test_all_addresses_are_tried_within_the_timeout():
    dead = [f"127.0.1.{number}" for number in (1, 2, 3)]
    async with Environment(connect_timeout=1.0, retries=0) as environment:
        origin = await by_name(environment, *dead, LIVE)
        with ExitStack() as stack:
            for host in dead:
                stack.enter_context(swallowing(origin.endpoint.port, host))
            assert (await environment.get())[2] == b"hello"


async def test_a_disconnected_client_does_not_demote_addresses():
    async with Environment() as environment:
        origin = await by_name(environment, DEAD, "127.0.0.5", LIVE)
        port = origin.endpoint.port
        with swallowing(port), swallowing(port, "127.0.0.5"):
            client = (await environment.client()).send(GET)
            await until(lambda: repr(environment.pool).endswith("| 1 active, 0 idle>"))
            client.close()
            await until(lambda: environment.records)
        name = environment.service.connector.names._names["app.test"]
        assert name.demoted == {}
        assert name.due > 0


async def test_connections_spread_over_all_addresses_of_a_name():
    async with Environment() as environment:
        origin = await by_name(environment, LIVE, DEAD)

        async def handle(reader, writer):
            await answers(b"other")(reader, writer)
            writer.close()

        other = await asyncio.start_server(handle, DEAD, origin.endpoint.port)
        assert {(await environment.get())[2] for _ in range(4)} == {b"hello", b"other"}
        other.close()


async def test_refusal_by_all_addresses_is_a_failure_of_the_backend():
    async with Environment() as environment:
        await by_name(environment, SHUT, "127.0.0.4")
        with nothing_left_open():
            assert (await environment.get())[0] == 503
        (record,) = environment.records
        assert (record.termination, record.detail.partition(": ")[2]) == ("SC", "Connection refused")
        (backend,) = environment.pool.backends.values()
        assert backend.state is State.SUSPECT


@pytest.mark.parametrize("hosts", [(DEAD, "127.0.0.5"), (DEAD,)])
async def test_attempts_end_with_the_client_or_the_timeout(hosts):
    async with Environment(connect_timeout=0.1, retries=0) as environment:
        origin = await by_name(environment, *hosts)
        port = origin.endpoint.port
        with nothing_left_open(), swallowing(port), swallowing(port, "127.0.0.5"):
            before = len(os.listdir("/proc/self/fd"))
            client = (await environment.client()).send(GET)
            await until(lambda: repr(environment.pool).endswith("| 1 active, 0 idle>"))
            client.close()
            await until(lambda: environment.records)
            assert (await environment.get())[0] == 504
            await until(lambda: len(os.listdir("/proc/self/fd")) == before)
        assert [record.termination for record in environment.records] == ["CC", "sC"]


@contextmanager
def no_descriptor_left():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_lack_of_descriptors_is_not_a_failure_of_the_backend():
    async with Environment() as environment:
        await environment.origin(answers(b"hello"))
        client = await environment.client()
        await until(lambda: environment.server.context.connections)
        with no_descriptor_left():
            client.send(GET)
            assert (await client.answer())[0] == 503
        (record,) = environment.records
        assert record.termination == "RC"
        (backend,) = environment.pool.backends.values()
        assert (backend.state, backend.health.total) == (State.UP, 0)
        assert (await environment.get())[2] == b"hello"


def test_exhausted_ports_differ_from_an_unreachable_address():
    assert _failure(EADDRNOTAVAIL, (socket.AF_INET, ("127.0.0.1", 80))).errno == EADDRNOTAVAIL
    assert _failure(EADDRNOTAVAIL, (socket.AF_INET, ("255.255.255.255", 80))).errno == ENETUNREACH

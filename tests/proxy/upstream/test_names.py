"""Backends registered by name: look-ups, caching and failures."""

import socket
import subprocess
import sys
import threading
from time import monotonic

from pylb.model import Endpoint
from pylb.policy.backend import State
from pylb.proxy.upstream.names import REMEMBERED, THREADS, Name, Names
from tests.environment import HOST, Environment, answers
from tests.until import until

GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"

LOCAL = [(socket.AF_INET, ("127.0.0.1", 0))]


class Dns:
    """A resolver with scripted answers; each look-up runs in a thread."""

    def __init__(self):
        self.asked = []
        self.running = 0
        self.most = 0
        self.found = LOCAL
        self.error = None
        self.answers = threading.Event()
        self.answers.set()
        self._lock = threading.Lock()

    def __call__(self, host):
        with self._lock:
            self.asked.append(host)
            self.running += 1
            self.most = max(self.most, self.running)
        self.answers.wait(10)
        with self._lock:
            self.running -= 1
        if self.error:
            raise self.error
        return self.found


async def stage_with(environment, dns, *names):
    """An environment whose backend, which closes its connections, is registered by these names."""
    origin = await environment.origin(answers(b"hello", extra=b"Connection: close\r\n"))
    environment.service.connector.names = Names(dns)
    port = origin.endpoint.port
    environment.register(*(Endpoint("web", name, port, id=name) for name in names or ["app.test"]))
    return origin


async def test_many_connections_to_one_name_share_one_look_up():
    dns = Dns()
    async with Environment() as environment:
        await stage_with(environment, dns)
        dns.answers.clear()
        clients = [(await environment.client()).send(GET) for _ in range(30)]
        await until(lambda: repr(environment.pool).endswith("| 30 active, 0 idle>"))
        dns.answers.set()
        assert {(await client.answer())[2] for client in clients} == {b"hello"}
        assert (await environment.get())[2] == b"hello"
        assert dns.asked == ["app.test"]


async def test_previous_addresses_are_kept_while_a_look_up_fails():
    dns = Dns()
    async with Environment() as environment:
        await stage_with(environment, dns)
        assert (await environment.get())[2] == b"hello"
        dns.error = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        environment.service.connector.names.expire("app.test")
        assert [(await environment.get())[2] for _ in range(5)] == [b"hello"] * 5
        assert len(dns.asked) == 2  # A look-up that failed is not tried again at once.


async def test_previous_addresses_are_kept_while_a_look_up_is_slow():
    dns = Dns()
    async with Environment() as environment:
        await stage_with(environment, dns)
        assert (await environment.get())[2] == b"hello"
        dns.answers.clear()
        environment.service.connector.names.expire("app.test")
        begun = monotonic()
        assert [(await environment.get())[2] for _ in range(5)] == [b"hello"] * 5
        assert monotonic() - begun < 1.0
        assert dns.asked == ["app.test"] * 2
        dns.answers.set()
        await until(lambda: not dns.running)


async def test_a_name_is_resolved_again_when_its_address_refuses():
    dns = Dns()
    async with Environment() as environment:
        await stage_with(environment, dns)
        dns.found = [(socket.AF_INET, ("127.0.0.9", 0))]
        assert (await environment.get())[0] == 503
        dns.found = LOCAL
        assert (await environment.get())[2] == b"hello"


async def test_an_unresolvable_name_is_a_failure_of_the_backend_and_cached_briefly():
    dns = Dns()
    dns.error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    async with Environment() as environment:
        await stage_with(environment, dns)
        assert [(await environment.get())[0] for _ in range(3)] == [503] * 3
        assert {record.termination for record in environment.records} <= {"SC", "DQ"}
        assert environment.records[0].detail.endswith("Name or service not known")
        assert dns.asked == ["app.test"]


async def test_an_invalid_host_is_a_failure_of_the_backend():
    async with Environment() as environment:
        origin = await environment.origin(answers(b"hello"))
        for number, host in enumerate(["a..b", "a" * 64 + ".example", "a\0b", "::1%x\r\nEvil: 1", ""]):
            good, bad = origin.endpoint, Endpoint("web", host, 80, id=f"bad-{number}")
            environment.register(good, bad)
            environment.records.clear()
            assert [(await environment.get())[2] for _ in range(4)] == [b"hello"] * 4
            failed = [a for record in environment.records for a in record.attempts if a.error]
            assert [(a.backend.endpoint.id, a.error.code) for a in failed] == [(bad.id, "SC")]


async def test_an_invalid_port_is_a_failure_of_the_backend():
    async with Environment() as environment:
        origin = await environment.origin(answers(b"hello"))
        environment.register(origin.endpoint, Endpoint("web", "127.0.0.1", 70000, id="bad"))
        assert [(await environment.get())[2] for _ in range(4)] == [b"hello"] * 4
        failed = [a for record in environment.records for a in record.attempts if a.error]
        assert [(a.backend.endpoint.id, a.error.code) for a in failed] == [("bad", "SC")]


async def test_slow_look_ups_do_not_delay_cached_names():
    dns = Dns()
    async with Environment(connect_timeout=0.2) as environment:
        origin = await stage_with(environment, dns)
        assert (await environment.get())[2] == b"hello"
        dns.answers.clear()
        port = origin.endpoint.port
        environment.register(
            *(Endpoint("web", f"slow-{n}.test", port, id=f"slow-{n}") for n in range(THREADS + 4))
        )
        slow = [(await environment.client()).send(GET) for _ in range(THREADS + 4)]
        await until(lambda: dns.running == THREADS)
        environment.register(Endpoint("web", "app.test", port, id="app.test"))
        assert (await environment.get())[2] == b"hello"
        for client in slow:
            client.close()
        dns.answers.set()
        await until(lambda: len(dns.asked) >= THREADS + 4 and not dns.running)
        assert dns.most == THREADS


def test_a_hanging_look_up_does_not_delay_the_end_of_the_process():
    code = """
import asyncio, threading
from pylb.proxy.upstream.names import Name, Names
async def main():
    begun = threading.Event()
    names = Names(lambda _: (begun.set(), threading.Event().wait()))
    names._begin("app.test", Name())
    await asyncio.to_thread(begun.wait)
asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=5)


def test_families_alternate_starts_rotate_and_demoted_addresses_come_last():
    name = Name()
    six = [(socket.AF_INET6, (f"::{n}", 0, 0, 0)) for n in (1, 2)]
    four = [(socket.AF_INET, (f"10.0.0.{n}", 0)) for n in (1, 2, 3)]
    name.addresses = [*six, *four]
    first = [address[0] for _, address in name.ordered(80, 0.0)]
    assert first == ["::1", "10.0.0.1", "::2", "10.0.0.2", "10.0.0.3"]
    assert name.ordered(80, 0.0)[0] == (socket.AF_INET6, ("::2", 80, 0, 0))
    name.demoted = {"::1": 5.0, "::2": 5.0}
    assert [address[0] for _, address in name.ordered(80, 1.0)][-2:] == ["::1", "::2"]
    assert name.ordered(80, 6.0)[0][0] == socket.AF_INET6


async def test_the_oldest_names_are_evicted_first():
    names = Names(lambda _: LOCAL)
    for number in range(REMEMBERED + 1):
        names._name(f"app-{number}.test")
    assert "app-0.test" not in names._names
    assert len(names._names) == REMEMBERED


async def test_without_a_thread_a_look_up_fails_immediately(monkeypatch):
    def start(_):
        raise RuntimeError("can't start new thread")

    dns = Dns()
    async with Environment(connect_timeout=60, retries=0) as environment:
        await stage_with(environment, dns)
        monkeypatch.setattr(threading.Thread, "start", start)
        assert (await environment.get())[0] == 503
        assert environment.records[0].detail.endswith("no thread for a look-up: can't start new thread")
        (backend,) = environment.pool.backends.values()
        assert backend.state is State.UP, "the fault is pylb's"
        monkeypatch.undo()
        environment.service.connector.names = Names(dns)
        assert (await environment.get())[2] == b"hello"

"""The client and servers of grpcio with pylb between them: calls of all kinds while instances come and go."""

import asyncio
import threading
from collections import Counter
from concurrent import futures
from contextlib import asynccontextmanager, contextmanager

import grpc
import pytest

from pylb.model import Endpoint
from tests.environment import Environment
from tests.until import until

pytestmark = pytest.mark.slow

CHUNK = b"c" * 30_000


def same(data):
    """Messages are bytes."""
    return data


class Calls(grpc.GenericRpcHandler):
    """One method of each kind; each answers with the name of its instance."""

    def __init__(self, name):
        self.name = name

    def service(self, details):
        """Return the handler of a method."""
        return {
            "/calls/Unary": grpc.unary_unary_rpc_method_handler(lambda message, _: self.name + message),
            "/calls/Fails": grpc.unary_unary_rpc_method_handler(self.fail),
            "/calls/Down": grpc.unary_stream_rpc_method_handler(
                lambda message, _: (self.name + message for _ in range(20))
            ),
            "/calls/Up": grpc.stream_unary_rpc_method_handler(
                lambda messages, _: self.name + b"%d" % sum(map(len, messages))
            ),
            "/calls/Both": grpc.stream_stream_rpc_method_handler(
                lambda messages, _: (self.name + message for message in messages)
            ),
        }.get(details.method)

    def fail(self, _, context):
        """Fail as a method that does not find something."""
        context.set_trailing_metadata([("reason-bin", b"\x00\xff")])
        context.abort(grpc.StatusCode.NOT_FOUND, "no such thing: ä")


class Instance:
    """A server of grpcio on a free port."""

    def __init__(self, name):
        self.name = name
        self.server = grpc.server(futures.ThreadPoolExecutor(16))
        self.server.add_generic_rpc_handlers([Calls(name.encode() + b" ")])
        self.endpoint = Endpoint("web", "127.0.0.1", self.server.add_insecure_port("127.0.0.1:0"), id=name)
        self.server.start()

    async def stop(self):
        """Finish the calls in progress, and end."""
        await asyncio.to_thread(self.server.stop(10).wait)


@asynccontextmanager
async def balanced(*names):
    """Instances with these names behind a data plane."""
    async with Environment(context={"protocol": "h2"}) as environment:
        instances = [Instance(name) for name in names]
        environment.register(*(instance.endpoint for instance in instances))
        try:
            yield environment, instances
        finally:
            for instance in instances:
                await instance.stop()


@contextmanager
def channel_to(environment):
    """A channel of a client: one connection."""
    with grpc.insecure_channel(f"127.0.0.1:{environment.port}") as channel:
        yield Client(channel)


class Client:
    """The methods by kind; each returns the name of the instance that answered, and the rest."""

    def __init__(self, channel):
        self._unary = channel.unary_unary("/calls/Unary", same, same)
        self._fails = channel.unary_unary("/calls/Fails", same, same)
        self._down = channel.unary_stream("/calls/Down", same, same)
        self._up = channel.stream_unary("/calls/Up", same, same)
        self._both = channel.stream_stream("/calls/Both", same, same)

    def unary(self):
        """Send one message, receive one."""
        name, _, rest = self._unary(b"hello", timeout=20).partition(b" ")
        assert rest == b"hello"
        return name.decode()

    def down(self):
        """Send one message, receive a stream."""
        received = list(self._down(CHUNK, timeout=20))
        assert len(received) == 20
        assert {message.partition(b" ")[2] for message in received} == {CHUNK}
        return received[0].partition(b" ")[0].decode()

    def up(self):
        """Send a stream, receive one message."""
        name, _, rest = self._up(iter([CHUNK] * 10), timeout=20).partition(b" ")
        assert rest == b"300000"
        return name.decode()

    def both(self):
        """Send each message after the answer to the one before it."""
        answered = threading.Semaphore(1)

        def messages():
            for number in range(10):
                answered.acquire()
                yield b"%d" % number

        names = set()
        for number, message in enumerate(self._both(messages(), timeout=20)):
            name, _, rest = message.partition(b" ")
            assert rest == b"%d" % number
            names.add(name.decode())
            answered.release()
        (name,) = names
        return name

    def fails(self):
        """Return the error of a method that fails."""
        with pytest.raises(grpc.RpcError) as caught:
            self._fails(b"", timeout=20)
        return caught.value


@contextmanager
def threads(count):
    """Start functions in threads; a future each."""
    with futures.ThreadPoolExecutor(count) as executor:
        yield executor.submit


async def test_the_calls_of_one_channel_are_balanced_one_by_one():
    async with balanced("a", "b") as (environment, _):
        with channel_to(environment) as client:
            for kind in (client.unary, client.down, client.up, client.both):
                names = [await asyncio.to_thread(kind) for _ in range(10)]
                assert Counter(names) == {"a": 5, "b": 5}


async def test_a_failure_of_a_method_reaches_the_client_as_it_is():
    async with balanced("a") as (environment, _):
        with channel_to(environment) as client:
            error = await asyncio.to_thread(client.fails)
        assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "no such thing: ä")
        assert dict(error.trailing_metadata())["reason-bin"] == b"\x00\xff"
        assert [record.status for record in environment.records] == [200]


async def test_no_call_fails_while_instances_come_and_go():
    async with balanced("0", "1") as (environment, instances):
        finished, ends = Counter(), threading.Event()

        def call(kind):
            while not ends.is_set():
                finished[kind()] += 1

        with channel_to(environment) as one, channel_to(environment) as two, threads(8) as start:
            callers = [
                start(call, kind)
                for client in (one, two)
                for kind in (client.unary, client.down, client.up, client.both)
            ]
            for number in range(2, 12):
                instances.append(Instance(str(number)))
                leaving = instances.pop(0)
                environment.register(*(instance.endpoint for instance in instances))
                await until(lambda number=number: finished[str(number)] > 5, 20)
                await leaving.stop()
            ends.set()
            for caller in callers:
                await asyncio.wrap_future(caller)
        assert sum(finished.values()) > 100

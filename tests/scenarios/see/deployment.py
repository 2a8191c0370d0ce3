"""A whole pylb before a few small origins that a real Consul knows, with clients that never stop asking."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import aiohttp

from pylb.balancer import Balancer
from pylb.config import Address, Options, Url
from tests.consul_agent import ConsulAgent
from tests.environment import read_request
from tests.until import until

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Deployment:
    """Leave it with `async with` and all of it ends."""

    def __init__(self, consul: ConsulAgent, service: str, *, admin_port: int = 0, **options: str) -> None:
        self.consul = consul
        self.service = service
        self.answers: Counter[str] = Counter()
        """By instance."""
        self.failures = 0
        self.balancer: Balancer
        self._admin_port = admin_port
        self._options = options
        self._stack = AsyncExitStack()
        self._http: aiohttp.ClientSession

    async def __aenter__(self) -> Deployment:
        self._http = await self._stack.enter_async_context(aiohttp.ClientSession())
        listening, admin = socket.create_server(("127.0.0.1", 0)), self._listen()
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self.admin = f"http://127.0.0.1:{admin.getsockname()[1]}"
        options = Options(
            consul=Url("http", "127.0.0.1", self.consul.port),
            service=(self.service,),
            admin=Address("127.0.0.1", admin.getsockname()[1]),
            drain_timeout=0.5,
            **self._options,
        )
        self.balancer = Balancer(options)
        serving = asyncio.get_running_loop().create_task(self.balancer.serve([listening], admin=[admin]))
        self._stack.push_async_callback(self._stop, serving)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _listen(self) -> socket.socket:
        return socket.create_server(("127.0.0.1", self._admin_port))

    async def _stop(self, serving: asyncio.Task[int]) -> None:
        self.balancer.stop()
        self.balancer.worker.server.close()
        await serving

    async def start(self, name: str, *, seconds: float = 0.0) -> None:
        """Start an instance and register it. `seconds`: how long it takes for an answer, roughly."""

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(name), name.encode())
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                while await read_request(reader):
                    if seconds:
                        await taking(seconds)
                    writer.write(answer)

        await self.serve(name, handle)

    async def serve(self, name: str, handle: Handler, meta: dict[str, str] | None = None) -> None:
        """Start an instance that handles each connection so, and register it with metadata."""

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.closing(writer):
                await handle(reader, writer)

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        self._stack.callback(server.close)
        port = server.sockets[0].getsockname()[1]
        body = {"ID": name, "Name": self.service, "Address": "127.0.0.1", "Port": port, "Meta": meta or {}}
        await self._put("agent/service/register", body)

    async def stop(self, name: str) -> None:
        """Deregister an instance."""
        await self._put(f"agent/service/deregister/{name}", {})

    def load(self, clients: int = 1) -> None:
        """Let so many clients ask, one request after the other."""
        for _ in range(clients):
            task = asyncio.get_running_loop().create_task(self._ask())
            self._stack.push_async_callback(ended, task)

    async def answering(self, *names: str) -> None:
        """Wait until exactly these instances answer."""

        async def only() -> bool:
            self.answers.clear()
            await asyncio.sleep(0.09)
            return set(self.answers) == set(names)

        deadline = asyncio.get_running_loop().time() + 30
        while not await only():
            assert asyncio.get_running_loop().time() < deadline, f"{names} expected, got {self.answers}"

    async def ready(self, instances: int) -> None:
        """Wait until pylb knows of so many instances."""
        await until(lambda: len(self.balancer.worker.pools[self.service].eligible) == instances, 20)

    async def _ask(self) -> None:
        while True:
            async with self._http.get(self.url) as answer:
                name = await answer.text()
            if answer.status == 200:
                self.answers[name] += 1
            else:
                self.failures += 1
            await asyncio.sleep(0.005)

    async def _put(self, path: str, body: dict[str, object]) -> None:
        async with self._http.put(f"{self.consul.url}/v1/{path}", json=body) as answer:
            assert answer.status == 200, await answer.text()


async def taking(seconds: float) -> None:
    """What an origin does for an answer: it takes about so long, exponentially distributed."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    loop.call_later(min(random.expovariate(1 / seconds), 0.5), done.set_result, None)
    await done


async def ended(task: asyncio.Task[None]) -> None:
    """Cancel a task that must not have ended by itself."""
    assert not task.done(), task.exception()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

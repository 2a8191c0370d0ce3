"""What chaos happens to: a real Consul, three backends and pylb, each a process of its own."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import aiohttp
import psutil

from tests.chaos.load import Load
from tests.consul_agent import ConsulAgent, free_ports

ROOT = Path(__file__).parents[2]
BACKEND = Path(__file__).with_name("backend.py")
START = 15.0
"""Seconds that a process may take until it serves, on a busy machine."""


class BackendProcess:
    """One backend, registered without any check: for Consul it passes whatever happens to it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, str(BACKEND)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = int(self.process.stdout.readline())

    def behave(self, how: str) -> None:
        self.process.stdin.write(how + "\n")
        self.process.stdin.flush()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Stage:
    """Leave it with `async with`, and all processes end."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        self.options = options
        self.consul = ConsulAgent(directory)
        self.backends: list[BackendProcess] = []
        self.port = self.admin = 0
        self.pylb: subprocess.Popen[bytes] | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Stage:
        self.http = await self._stack.enter_async_context(aiohttp.ClientSession())
        await asyncio.to_thread(self.consul.start_on_new_ports)
        self._stack.callback(self.consul.kill)
        self.port, self.admin = free_ports(2)  # Not before Consul has taken its own.
        for number in (1, 2, 3):
            backend = BackendProcess(f"web-{number}")
            self._stack.callback(backend.end)
            self.backends.append(backend)
        await self.register()
        self._stack.callback(self.end_pylb)
        await self.start_pylb()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def register(self) -> None:
        for backend in self.backends:
            body = {"ID": backend.name, "Name": "web", "Address": "127.0.0.1", "Port": backend.port}
            url = f"{self.consul.url}/v1/agent/service/register"
            async with self.http.put(url, json=body) as answer:
                assert answer.status == 200, await answer.text()

    async def start_pylb(self) -> float:
        """Start it; return the seconds until it answered a request well."""
        began = time.monotonic()
        self._launch()
        await self.until(self.serves, START)
        return time.monotonic() - began

    def _launch(self) -> None:
        command = [sys.executable, "-m", "pylb", "--consul", self.consul.http, "--service", "web"]
        command += ["--listen", f"127.0.0.1:{self.port}", "--admin", f"127.0.0.1:{self.admin}", *self.options]
        with (self.directory / "pylb.log").open("ab") as log:
            self.pylb = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    def end_pylb(self) -> None:
        """Kill all of its processes."""
        if self.pylb:
            family = [psutil.Process(self.pylb.pid), *psutil.Process(self.pylb.pid).children(recursive=True)]
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self.pylb.wait()
            psutil.wait_procs(family)
            self.pylb = None

    async def serves(self) -> bool:
        try:
            async with self.http.get(f"http://127.0.0.1:{self.port}/") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    def load(self) -> Load:
        return Load(self.port)

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of all samples of this name and these labels."""
        async with self.http.get(f"http://127.0.0.1:{self.admin}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        found = [line for line in lines if re.match(rf"{name}(\{{|\s)", line)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in found if all(w in line for w in wanted))

    async def ready(self) -> dict:
        async with self.http.get(f"http://127.0.0.1:{self.admin}/ready") as answer:
            return await answer.json()

    async def state(self, state: str) -> float:
        """How many backends are in a state."""
        return await self.metric("pylb_backends", service="web", state=state)

    async def until(self, condition, seconds: float = 10.0) -> None:
        deadline = time.monotonic() + seconds
        while not await condition():
            assert time.monotonic() < deadline, (self.directory / "pylb.log").read_text()[-2000:]
            await asyncio.sleep(0.02)

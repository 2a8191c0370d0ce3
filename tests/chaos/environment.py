"""What chaos happens to: a real Consul, three backends and pylb, each a process of its own."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import psutil
from yarl import URL

from bench.lib.ports import free_ports
from tests.chaos.load import Load
from tests.chaos.network import Network
from tests.consul_agent import ConsulAgent

ROOT = Path(__file__).parents[2]
BACKEND = Path(__file__).with_name("backend.py")
START = 15.0
"""Seconds that a process may take until it serves, on a busy machine."""


class BackendProcess:
    """One backend, registered without any check: for Consul it passes whatever happens to it."""

    def __init__(
        self, name: str, address: str = "127.0.0.1", command: Sequence[str] = (), pair: Sequence[str] = ()
    ) -> None:
        self.name = name
        self.address = address
        self._command = [*command, sys.executable, str(BACKEND), address, *pair]
        self._start()

    def _start(self) -> None:
        self.process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = int(self.process.stdout.readline())

    def behave(self, how: str) -> None:
        self.process.stdin.write(how + "\n")
        self.process.stdin.flush()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def restart(self) -> None:
        """Another one of the same name, on another port."""
        self.end()
        self._start()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Environment:
    """Leave it with `async with`, and all processes end.

    Args:
        directory: for logs, and what Consul keeps.
        options: of pylb.
        network: where the backends live, if not on the loopback interface.
        variables: environment variables for pylb.
        output: where it writes what it has to say.
        under: a command that starts it, such as `prlimit`.
        pair: certificate and key, as paths: backends speak TLS, and pylb listens on `tls_port` as well.
    """

    def __init__(
        self,
        directory: Path,
        *options: str,
        network: Network | None = None,
        variables: Mapping[str, str] | None = None,
        output: Path | None = None,
        under: Sequence[str] = (),
        pair: Sequence[str] = (),
    ) -> None:
        self.directory = directory
        self.options = options
        self._network = network
        self._variables = {**os.environ, **(variables or {})}
        self._output = output or directory / "pylb.log"
        self._under = under
        self._pair = pair
        self.consul = ConsulAgent(directory)
        self.backends: list[BackendProcess] = []
        self.port = self.tls_port = self.admin = 0
        self.pylb: subprocess.Popen[bytes] | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Environment:
        self.http = await self._stack.enter_async_context(aiohttp.ClientSession())
        await asyncio.to_thread(self.consul.start)
        self._stack.callback(self.consul.kill)
        self.port, self.tls_port, self.admin = free_ports(3)
        for number in (1, 2, 3):
            self.start_backend(f"web-{number}")
        await self.register()
        self._stack.callback(self.end_pylb)
        await self.start_pylb()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def start_backend(self, name: str) -> BackendProcess:
        """One more; it is not registered yet."""
        where: dict[str, Any] = {}
        if self._network:
            place = len(self.backends)
            where = {"address": self._network.address(place), "command": self._network.command(place)}
        backend = BackendProcess(name, pair=self._pair, **where)
        self._stack.callback(backend.end)
        self.backends.append(backend)
        return backend

    async def deregister(self, name: str) -> None:
        url = URL(f"{self.consul.url}/v1/agent/service/deregister/{quote(name, safe='')}", encoded=True)
        async with self.http.put(url) as answer:
            assert answer.status == 200, (answer.status, name, await answer.text())

    async def register(self) -> None:
        for backend in self.backends:
            body = {"ID": backend.name, "Name": "web", "Address": backend.address, "Port": backend.port}
            assert await self.register_service(body)

    async def register_service(self, body: Mapping[str, Any]) -> bool:
        """Register anything with Consul; return whether Consul accepted it."""
        async with self.http.put(f"{self.consul.url}/v1/agent/service/register", json=body) as answer:
            return answer.status == 200

    async def start_pylb(self) -> float:
        """Start it; return the seconds until it answered a request well."""
        began = time.monotonic()
        self._launch()
        await self.until(self.serves, START)
        return time.monotonic() - began

    def _launch(self) -> None:
        command = [*self._under, sys.executable, "-m", "pylb", *self.options]
        command += ["--consul", self.consul.http, "--service", "web"]
        command += ["--listen", f"127.0.0.1:{self.port}", "--admin", f"127.0.0.1:{self.admin}"]
        if self._pair:
            certificate, key = self._pair
            command += ["--listen-tls", f"127.0.0.1:{self.tls_port}", "--upstream-tls"]
            command += ["--tls-cert", certificate, "--tls-key", key]
        with self._output.open("ab") as log:
            self.pylb = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=self._variables)

    def family(self) -> list[psutil.Process]:
        """All processes of pylb."""
        first = psutil.Process(self.pylb.pid)
        return [first, *first.children(recursive=True)]

    def processes(self, role: str) -> list[psutil.Process]:
        """The processes of pylb that do this: `worker`, `control`."""
        return [process for process in self.family() if role in command_of(process)]

    async def has_two_workers_besides(self, pid: int) -> bool:
        return len([worker for worker in self.processes("worker") if worker.pid != pid]) == 2

    def end_pylb(self) -> None:
        """Kill all of its processes."""
        if self.pylb:
            family = self.family()
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

    @property
    def log(self) -> list[str]:
        """The lines that pylb has written."""
        return self._output.read_text().splitlines()

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
            assert time.monotonic() < deadline, self._output.read_text()[-2000:]
            await asyncio.sleep(0.02)


def command_of(process: psutil.Process) -> list[str]:
    """What it was started as; nothing if it has just ended."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []

"""pylb as a user starts it, with all its processes, before small origins; clients that never stop asking."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections import Counter
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import aiohttp
import psutil

from tests.environment import Handler, Origin, answers
from tests.error_log import check_output
from tests.until import until

TIMEOUT = 60.0
"""Seconds for anything that starts processes, on a machine that others keep busy."""
CALM = {"PYLB_WATCHDOG_TIMEOUT": "120s"}
"""On a machine that others keep busy, a process that starts may not run for more than the default of 10 s. A
test of the watchdog gives a shorter time on the command line."""
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("PYLB_", "CONSUL_", "LISTEN_"))}
SOURCES = ("--consul", "--static", "--routes", "--docker")
LISTENS = re.compile(r"listens on ([0-9.:]+) for .*, admin on ([0-9.:]+)")


class Program:
    """One pylb, of two workers unless told otherwise; leave it with `async with` and all of it ends.

    Args:
        directory: for the pid file.
        arguments: more of them.
        environment: variables of its own.
    """

    def __init__(self, directory: Path, *arguments: str, workers: int | None = 2, **environment: str) -> None:
        self.pid_file = directory / "pylb.pid"
        self.lines: list[str] = []
        """What it wrote to standard error."""
        self.origins: list[Origin] = []
        self.url = self.admin = ""
        self.process: asyncio.subprocess.Process | None = None
        """What was started; after an upgrade it is another one that runs."""
        self._arguments = [*arguments, "--pid-file", str(self.pid_file)]
        self._arguments += ["--workers", str(workers)] if workers else []
        self._environment = environment
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Program:
        return self

    async def __aexit__(self, *_: object) -> None:
        processes = self.family()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if self.process:
            await self.process.wait()
            await self._reading
        check_output(self.lines)
        await self._stack.aclose()

    async def origin(self, handler: Handler | None = None) -> Origin:
        """Start a backend whose responses contain its name."""
        name = f"web-{len(self.origins) + 1}"
        origin = Origin(handler or answers(name.encode()))
        await origin.start(name)
        self._stack.callback(origin.close)
        self.origins.append(origin)
        return origin

    async def start(self, *addresses: str, serving: bool = True) -> None:
        """Start pylb, by default before all origins, and wait until it serves."""
        if not any(argument.startswith(SOURCES) for argument in self._arguments):
            self._arguments += ["--static", ",".join(o.endpoint.authority for o in self.origins)]
        places = addresses or ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pylb", *self._arguments, *places),
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            env=CLEAN | CALM | self._environment,
        )
        self._reading = asyncio.get_running_loop().create_task(self._read())
        if serving:
            self.url, self.admin = (f"http://{a}" for a in (await self.logged(LISTENS)).groups())

    async def _read(self) -> None:
        async for line in self.process.stderr:
            self.lines.append(line.decode().rstrip())

    async def logged(self, pattern: str | re.Pattern[str], count: int = 1) -> re.Match[str]:
        """Wait until so many lines match; return the match of the last of them."""

        def found() -> list[re.Match[str]]:
            matches = [match for line in self.lines if (match := re.search(pattern, line))]
            return matches if len(matches) >= count else []

        try:
            return (await until(found, TIMEOUT))[count - 1]
        except AssertionError:
            raise AssertionError(
                f"{pattern!r} was not logged {count} times:\n" + "\n".join(self.lines)
            ) from None

    @property
    def pid(self) -> int:
        """The supervisor of now, as the pid file has it."""
        return int(self.pid_file.read_text())

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def family(self) -> list[psutil.Process]:
        """All processes of it that live: found by what they have been given to do."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            if str(self.pid_file) in (process.info["cmdline"] or ()):
                with suppress(psutil.NoSuchProcess):
                    if process.status() != psutil.STATUS_ZOMBIE:
                        found.append(process)
        return found

    def processes(self, role: str, of: int | None = None) -> list[psutil.Process]:
        """The children of a supervisor, the present one by default, that do this."""
        parent = of or self.pid
        with suppress(psutil.NoSuchProcess):
            return [p for p in self.family() if p.ppid() == parent and role in p.cmdline()]
        return []

    async def get(self, path: str, *, admin: bool = True) -> tuple[int, str]:
        """Send a request to the admin server or to pylb on a separate connection."""
        async with (
            aiohttp.ClientSession() as session,
            session.get((self.admin if admin else self.url) + path) as answer,
        ):
            return answer.status, await answer.text()

    async def metric(self, name: str) -> float:
        """The value of a metric, summed over its labels."""
        _, text = await self.get("/metrics")
        return sum(float(v) for v in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE))

    async def ended(self) -> int:
        """Wait for the end of the process that was started; return its exit code.

        A successor may still have its standard error, so the end of that is not waited for.
        """
        try:
            await until(lambda: self.process.returncode is not None, TIMEOUT)
        except AssertionError:
            raise AssertionError("it has not ended:\n" + "\n".join(self.lines)) from None
        return self.process.returncode

    async def gone(self) -> None:
        """Wait until no process of it is left."""
        await until(lambda: not self.family(), TIMEOUT)

    def clients(self, count: int) -> Clients:
        """Let so many clients ask until the end."""
        return Clients(self.url, count)


class Clients:
    """Clients with a connection each that they keep for as long as they may, and hard to please."""

    def __init__(self, url: str, count: int) -> None:
        host, port = url.removeprefix("http://").split(":")
        self.answers: Counter[str] = Counter()
        """By instance."""
        self.failures: Counter[str] = Counter()
        """By what happened."""
        self._stop = False
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._run(host, int(port))) for _ in range(count)]

    @property
    def total(self) -> int:
        """Answers that came whole."""
        return self.answers.total()

    async def more(self, count: int = 50) -> None:
        """Wait for so many more answers."""
        wanted = self.total + count
        await until(lambda: self.total >= wanted, TIMEOUT)

    async def __aenter__(self) -> Clients:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop = True
        await asyncio.gather(*self._tasks)

    async def _run(self, host: str, port: int) -> None:
        while not self._stop:
            try:
                reader, writer = await asyncio.open_connection(host, port)
            except OSError as error:
                self.failures[f"connecting: {error.strerror}"] += 1
                continue
            try:
                while not self._stop and await self._ask(reader, writer):
                    await asyncio.sleep(0.002)
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                self.failures[type(error).__name__] += 1
            await closed(writer)

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether the connection may be used for another one."""
        writer.write(b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(re.search(rb"content-length: (\d+)", head)[1])
        body = await reader.readexactly(length)
        if head.startswith(b"http/1.1 200 "):
            self.answers[body.decode()] += 1
        else:
            self.failures[head.split(b"\r\n")[0].decode()] += 1
        return b"\r\nconnection: close\r\n" not in head


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection, whatever has become of it."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()

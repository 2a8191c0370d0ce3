"""The instances of the sample web service: each a process of its own, and one more in reserve."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from types import TracebackType
from typing import cast
from urllib.parse import urlsplit

from pylb.clients.consul import ConsulClient
from pylb.errors import StartError
from pylb.model import Endpoint
from pylb.runtime.lifecycle import TaskScope, spawn
from pylb.tools.demo.registration import deregister, register

log = logging.getLogger("pylb.tools.demo")

START_TIMEOUT = 30.0
"""Seconds until a process that has not said where it listens is given up."""
DRAIN_TIMEOUT = 30.0
"""Seconds that the last requests of an instance that leaves may take."""
END_TIMEOUT = 5.0
"""Seconds that processes get to end by themselves."""
LOOK = 0.02
"""Seconds between two looks whether an instance has drained."""


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """A process, and what the registry is told of it."""

    process: Process
    endpoint: Endpoint

    @property
    def name(self) -> str:
        """What the process calls itself, and its id in the registry."""
        return self.endpoint.id


class Fleet:
    """Starts and stops instances. The one in reserve listens already, so that the next is there at once.

    Every process holds one end of a pipe whose other end is only here: however this process comes to its end,
    the others see it, and end too. Make it inside a running loop.

    Args:
        client: the registry.
        service: what the instances are registered as; their names are it and a number.
        in_use: whether the load balancer still sends requests to an address, or waits for answers from it.
    """

    def __init__(self, client: ConsulClient, service: str, in_use: Callable[[str], bool]) -> None:
        self.instances: list[Instance] = []
        """Those that are registered, the oldest first."""
        self._client = client
        self._service = service
        self._in_use = in_use
        self._names = (f"{service}-{number}" for number in count(1))
        self._processes: set[Process] = set()
        self._owner = TaskScope("fleet")
        self._next = self._begin()
        """The one in reserve, while it starts and after."""

    @property
    def reserve(self) -> Instance | None:
        """The instance that listens and is not registered; None while it starts."""
        started = self._next.done() and not self._next.cancelled() and not self._next.exception()
        return self._next.result() if started else None

    async def grow(self, size: int = 1) -> None:
        """Register so many more instances.

        Raises:
            StartError: one did not start.
            ConsulException: the registry does not answer.
        """
        for starting in [self._take() for _ in range(size)]:
            instance = await starting
            await register(self._client, instance.endpoint)
            self.instances.append(instance)

    def adopt(self) -> None:
        """If somebody else has registered the instance in reserve, count it among the others."""
        if self.reserve and self._in_use(self.reserve.endpoint.authority):
            self.instances.append(self._take().result())

    async def shrink(self) -> None:
        """Take the newest instance out of the registry, wait until its last request has ended, stop it.

        Raises:
            ConsulException: the registry does not answer.
        """
        if len(self.instances) < 2:
            log.info("the last instance stays")
            return
        instance = self.instances.pop()
        await deregister(self._client, instance.endpoint)
        try:
            async with asyncio.timeout(DRAIN_TIMEOUT):
                while self._in_use(instance.endpoint.authority):
                    await asyncio.sleep(LOOK)
        except TimeoutError:
            log.warning("%s is stopped while requests are still running there", instance.name)
        instance.process.terminate()

    async def close(self) -> None:
        """End every process."""
        await self._owner.close()
        for process in self._processes:
            if process.stdin:
                process.stdin.close()
        try:
            async with asyncio.timeout(END_TIMEOUT):
                await asyncio.gather(*(process.wait() for process in self._processes))
        except TimeoutError:
            for process in self._processes:
                if process.returncode is None:
                    process.kill()

    async def __aenter__(self) -> Fleet:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def _take(self) -> asyncio.Task[Instance]:
        """The instance in reserve, started or starting; another takes its place."""
        taken, self._next = self._next, self._begin()
        return taken

    def _begin(self) -> asyncio.Task[Instance]:
        name = next(self._names)
        return spawn(self._start(name), name=f"start {name}", owner=self._owner)

    async def _start(self, name: str) -> Instance:
        """Start a process, and wait until it says where it listens.

        Raises:
            StartError: it says nothing, or something else.
        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pylb", "demo-backend"),
            *("--name", name, "--listen", "127.0.0.1:0", "--until-eof"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=STDOUT,
            start_new_session=True,  # Ctrl-C is for the demo, which stops the others in order
            env={key: value for key, value in os.environ.items() if not key.startswith("PYLB_")},
        )
        self._processes.add(process)
        try:
            async with asyncio.timeout(START_TIMEOUT):
                line = _text(await _output(process).readline())
        except TimeoutError:
            line = "nothing"
        url = urlsplit(line.rpartition(" ")[2])
        if not url.port:
            raise StartError(f"{name} did not start: expected where it listens, got {line!r}")
        instance = Instance(process, Endpoint(self._service, "127.0.0.1", url.port, id=name))
        spawn(self._follow(instance), name=f"follow {name}", owner=self._owner)
        return instance

    async def _follow(self, instance: Instance) -> None:
        """Pass on what a process says, until it ends."""
        async for line in _output(instance.process):
            log.warning("%s: %s", instance.name, _text(line))
        code = await instance.process.wait()
        self._processes.discard(instance.process)
        log.info("%s has ended%s", instance.name, f" with code {code}" if code else "")
        if instance in self.instances:
            self.instances.remove(instance)
        elif instance is self.reserve:
            self._take()


def _output(process: Process) -> asyncio.StreamReader:
    return cast(asyncio.StreamReader, process.stdout)


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip()

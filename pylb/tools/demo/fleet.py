"""The instances of the sample web service: one process each, and one more in reserve."""

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
"""Seconds within which a process must print its address."""
DRAIN_TIMEOUT = 30.0
"""Seconds that the last requests of a deregistered instance may take."""
END_TIMEOUT = 5.0
"""Seconds after which processes that have not ended are killed."""
POLL_INTERVAL = 0.02
"""Seconds between two checks whether an instance has drained."""


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """A process and its registration."""

    process: Process
    endpoint: Endpoint

    @property
    def name(self) -> str:
        """The name of the process, which is also its id in the registry."""
        return self.endpoint.id


class Fleet:
    """Starts and stops instances. The instance in reserve already listens, so that adding one takes no time.

    Every process reads from a pipe whose other end only this process holds. If this process ends for any
    reason, the pipes close, and the other processes end too. Create the object inside a running loop.

    Args:
        client: the registry.
        service: the name of the service; instances are named by it and a number.
        in_use: whether the load balancer still has the address among its backends, including draining ones.
    """

    def __init__(self, client: ConsulClient, service: str, in_use: Callable[[str], bool]) -> None:
        self.instances: list[Instance] = []
        """The registered instances, oldest first."""
        self._client = client
        self._service = service
        self._in_use = in_use
        self._names = (f"{service}-{number}" for number in count(1))
        self._processes: set[Process] = set()
        self._scope = TaskScope("fleet")
        self._next = self._begin()
        """The instance in reserve, started or starting."""

    @property
    def reserve(self) -> Instance | None:
        """The instance in reserve; None while it starts."""
        started = self._next.done() and not self._next.cancelled() and not self._next.exception()
        return self._next.result() if started else None

    async def grow(self, size: int = 1) -> None:
        """Register this number of additional instances.

        Raises:
            StartError: one did not start.
            ConsulException: the registry does not answer.
        """
        for starting in [self._take() for _ in range(size)]:
            instance = await starting
            await register(self._client, instance.endpoint)
            self.instances.append(instance)

    def adopt(self) -> None:
        """If another program has registered the instance in reserve, add it to the instances."""
        if self.reserve and self._in_use(self.reserve.endpoint.authority):
            self.instances.append(self._take().result())

    async def shrink(self) -> None:
        """Deregister the newest instance, wait until its last request has ended, and stop it.

        Raises:
            ConsulException: the registry does not answer.
        """
        if len(self.instances) < 2:
            log.info("the last instance is not removed")
            return
        instance = self.instances.pop()
        await deregister(self._client, instance.endpoint)
        try:
            async with asyncio.timeout(DRAIN_TIMEOUT):
                while self._in_use(instance.endpoint.authority):
                    await asyncio.sleep(POLL_INTERVAL)
        except TimeoutError:
            log.warning("%s is stopped with requests in flight", instance.name)
        instance.process.terminate()

    async def close(self) -> None:
        """End every process, and read its output to the end, which closes its pipes."""
        await self._scope.close()
        for process in self._processes:
            if process.stdin:
                process.stdin.close()
        try:
            async with asyncio.timeout(END_TIMEOUT):
                await self._read_to_the_end()
        except TimeoutError:
            for process in self._processes:
                if process.returncode is None:
                    process.kill()
            await self._read_to_the_end()

    async def _read_to_the_end(self) -> None:
        await asyncio.gather(*(process.communicate() for process in self._processes))

    async def __aenter__(self) -> Fleet:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def _take(self) -> asyncio.Task[Instance]:
        """Return the instance in reserve, started or starting, and start another one in its place."""
        taken, self._next = self._next, self._begin()
        return taken

    def _begin(self) -> asyncio.Task[Instance]:
        name = next(self._names)
        return spawn(self._start(name), name=f"start {name}", scope=self._scope)

    async def _start(self, name: str) -> Instance:
        """Start a process, and wait until it prints its address.

        Raises:
            StartError: it prints nothing or something else.
        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pylb", "demo-backend"),
            *("--name", name, "--listen", "127.0.0.1:0", "--until-eof"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=STDOUT,
            start_new_session=True,  # Ctrl-C signals only the demo, which stops the processes in order.
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
            raise StartError(f"{name} did not start: expected its address, got {line!r}")
        instance = Instance(process, Endpoint(self._service, "127.0.0.1", url.port, id=name))
        spawn(self._follow(instance), name=f"follow {name}", scope=self._scope)
        return instance

    async def _follow(self, instance: Instance) -> None:
        """Log the output of a process until it ends."""
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

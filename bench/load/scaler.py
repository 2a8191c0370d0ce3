"""Run instances, and register and deregister them.

Run as `python -m bench.load.scaler --consul HOST:PORT --service web`. Permanent instances are registered
first. Then each change registers one more temporary instance until all are registered, after which each
change deregisters the oldest one until none is left, and so on. An instance listens before it is
registered. After its deregistration it stops once it has had no connection for a moment, as a service in
production does. Standard output is the journal. At the end of standard input, and on SIGINT and SIGTERM,
all instances are deregistered and stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from bench.lib.options import consul_url
from bench.load import journal
from bench.load.instance import Instance
from bench.load.journal import Lifetime
from bench.load.options import add_instances
from pylb.clients.consul import ConsulClient, ConsulError
from pylb.clients.consul_agent import ConsulAgent
from pylb.config.kinds import CONSUL
from pylb.config.sources import Consul


class Scaler:
    """Starts and registers instances, deregisters and stops them.

    Args:
        agent: the Consul agent.
        service: the service of the instances.
        address: the address on which they listen.
        note: receives each line of the journal.
    """

    def __init__(self, agent: ConsulAgent, service: str, address: str, note: Callable[[str], None]) -> None:
        self._agent = agent
        self._service = service
        self._address = address
        self._note = note
        self._numbers = itertools.count(1)
        self._lifetimes: dict[Instance, Lifetime] = {}

    async def add(self, *, permanent: bool = False) -> Instance:
        """Start an instance, then register it.

        Raises:
            ConsulError: Consul does not answer, or rejects the call.
            OSError: it cannot listen on the address.
        """
        name = f"{self._service}-load-{os.getpid()}-{next(self._numbers)}"
        instance = Instance(name, self._address)
        await instance.start()
        await self._agent.register(
            {"ID": name, "Name": self._service, "Address": self._address, "Port": instance.port}
        )
        self._lifetimes[instance] = lifetime = Lifetime(name, time.time(), permanent=permanent)
        self._note(journal.write(lifetime))
        return instance

    async def remove(self, instance: Instance) -> None:
        """Deregister an instance, then stop it.

        Raises:
            ConsulError: Consul does not answer, or rejects the call.
        """
        await self._agent.deregister(instance.name)
        self._note(journal.write(replace(self._lifetimes.pop(instance), deregistered=time.time())))
        await instance.finish()


async def scale(scaler: Scaler, permanent: int, temporary: int, every: float, over: asyncio.Event) -> None:
    """Add and remove instances until `over` is set, then remove all.

    Args:
        scaler: adds and removes the instances.
        permanent: number of permanent instances.
        temporary: highest number of temporary instances.
        every: seconds between two changes.
        over: ends the test.
    """
    due = asyncio.get_running_loop().time()
    current: deque[Instance] = deque()
    async with asyncio.TaskGroup() as leaving:
        always = [await scaler.add(permanent=True) for _ in range(permanent)]
        for grow in itertools.cycle([True] * temporary + [False] * temporary):
            due += every
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await over.wait()
            if over.is_set():
                break
            if grow:
                current.append(await scaler.add())
            else:
                leaving.create_task(scaler.remove(current.popleft()))
        for instance in (*always, *current):
            leaving.create_task(scaler.remove(instance))


def end_with_input(over: asyncio.Event) -> None:
    """Set the event at the end of standard input, in a thread: a loop cannot wait for /dev/null."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        while os.read(0, 4096):
            pass
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(over.set)

    threading.Thread(target=read, daemon=True).start()


async def run(options: argparse.Namespace) -> None:
    """Run the scaler until it is stopped."""
    over = asyncio.Event()
    end_with_input(over)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    settings = Consul(consul=CONSUL.parse(options.consul), token=os.environ.get("CONSUL_HTTP_TOKEN"))
    async with ConsulClient(settings) as client:
        scaler = Scaler(ConsulAgent(client), options.service, options.address, partial(print, flush=True))
        await scale(scaler, options.instances, options.temporary, options.every, over)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.load.scaler", description="Run instances, and register and deregister them."
    )
    parser.add_argument("--consul", type=consul_url, required=True, metavar="HOST:PORT")
    add_instances(parser.add_argument)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. An error is printed as one line."""
    options = parse(arguments)
    code = 0
    try:
        asyncio.run(run(options))
    except* (ConsulError, OSError) as errors:
        print(f"bench.load.scaler: {errors.exceptions[0]}", file=sys.stderr)
        code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())

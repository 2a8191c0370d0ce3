"""Instances that come and go in a registry: `python -m bench.load.scaler --consul HOST:PORT --service web`.

Some stay; of the others one more is registered at each change until all are there, then the eldest is
deregistered at each change until none is, and so on. An instance listens before it is registered, and ends
when nobody has been connected for a moment after it was deregistered, as a service in production would.
Standard output is the journal. All of them leave at the end of standard input, and on SIGINT and SIGTERM.
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
from pylb.clients.consul import ConsulClient, ConsulError, ConsulSettings
from pylb.clients.consul_agent import ConsulAgent


class Scaler:
    """Starts and registers instances, deregisters and ends them.

    Args:
        agent: the registry.
        service: whose instances they are.
        address: where they listen.
        note: is given each line of the journal.
    """

    def __init__(self, agent: ConsulAgent, service: str, address: str, note: Callable[[str], None]) -> None:
        self._agent = agent
        self._service = service
        self._address = address
        self._note = note
        self._numbers = itertools.count(1)
        self._lifetimes: dict[Instance, Lifetime] = {}

    async def arrive(self, *, steady: bool = False) -> Instance:
        """Start an instance, then register it.

        Raises:
            ConsulError: Consul does not answer, or refuses.
            OSError: it cannot listen there.
        """
        name = f"{self._service}-load-{os.getpid()}-{next(self._numbers)}"
        instance = Instance(name, self._address)
        await instance.start()
        await self._agent.register(
            {"ID": name, "Name": self._service, "Address": self._address, "Port": instance.port}
        )
        self._lifetimes[instance] = lifetime = Lifetime(name, time.time(), steady=steady)
        self._note(journal.write(lifetime))
        return instance

    async def leave(self, instance: Instance) -> None:
        """Deregister an instance, then let it finish.

        Raises:
            ConsulError: Consul does not answer, or refuses.
        """
        await self._agent.deregister(instance.name)
        self._note(journal.write(replace(self._lifetimes.pop(instance), left=time.time())))
        await instance.finish()


async def scale(scaler: Scaler, steady: int, passing: int, every: float, over: asyncio.Event) -> None:
    """Let instances come and go until it is over, and all leave then.

    Args:
        scaler: what moves them.
        steady: how many stay.
        passing: how many more there are at most.
        every: seconds between two changes.
        over: set when it is.
    """
    due = asyncio.get_running_loop().time()
    there: deque[Instance] = deque()
    async with asyncio.TaskGroup() as leaving:
        lifetime = [await scaler.arrive(steady=True) for _ in range(steady)]
        for grow in itertools.cycle([True] * passing + [False] * passing):
            due += every
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await over.wait()
            if over.is_set():
                break
            if grow:
                there.append(await scaler.arrive())
            else:
                leaving.create_task(scaler.leave(there.popleft()))
        for instance in (*lifetime, *there):
            leaving.create_task(scaler.leave(instance))


def end_with_input(over: asyncio.Event) -> None:
    """Set the event at the end of standard input, whatever that is: a loop cannot wait for /dev/null."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        while os.read(0, 4096):
            pass
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(over.set)

    threading.Thread(target=read, daemon=True).start()


async def run(options: argparse.Namespace) -> None:
    """Scale until told to end."""
    over = asyncio.Event()
    end_with_input(over)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    settings = ConsulSettings(url=options.consul, token=os.environ.get("CONSUL_HTTP_TOKEN"))
    async with ConsulClient(settings) as client:
        scaler = Scaler(ConsulAgent(client), options.service, options.address, partial(print, flush=True))
        await scale(scaler, options.instances, options.passing, options.every, over)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.load.scaler", description="Instances that come and go."
    )
    parser.add_argument("--consul", type=consul_url, required=True, metavar="HOST:PORT")
    add_instances(parser.add_argument)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Scale; say in one line why it cannot."""
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

"""Break something at random every few seconds for a long time; nothing may grow, get lost or crash.

    python -m tests.chaos.soak --minutes 30 --seed 1

Clients and backends use TLS (half of the clients plain HTTP), other clients abort at every phase, and the
registry holds garbage entries from time to time. Each event heals before the next one. A failed request is
explained if an event was under way that may cost it; anything else is a defect, and so is an ERROR line in
the log that names none of the processes killed here. Memory, descriptors and threads are counted after a
warm-up, and at the end when all is quiet.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import ssl
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.certificates import Authority
from tests.chaos.environment import Environment
from tests.chaos.hostile import HostileClients, garbage
from tests.chaos.load import Load
from tests.chaos.scenario import is_state

PAUSE = 0.05
"""Seconds between two requests of a client: a moderate load, about 200 a second."""
MOST_GROWTH = 1.10
OPTIONS = ("--workers", "2", "--suspect-time", "200ms", "--eject-time", "1s", "--response-timeout", "1s")
AFTERWARDS = 1.5
"""Seconds for which an event's failures may still end."""


@dataclass(frozen=True)
class Holdings:
    """What all processes of pylb hold together."""

    rss: int
    descriptors: int
    threads: int

    @classmethod
    def of(cls, environment: Environment) -> Holdings:
        family = environment.family()
        return cls(
            sum(process.memory_info().rss for process in family),
            sum(process.num_fds() for process in family),
            sum(process.num_threads() for process in family),
        )

    def __str__(self) -> str:
        return f"{self.rss / 2**20:.1f} MiB, {self.descriptors} descriptors, {self.threads} threads"


class Soak:
    """One run.

    Args:
        environment: the processes to disturb.
        context: to connect to pylb by TLS.
        seed: of every choice.
    """

    def __init__(self, environment: Environment, context: ssl.SSLContext, seed: int) -> None:
        self.environment = environment
        self.context = context
        self.seed = seed
        self.random = Random(seed)
        self.killed: set[int] = set()
        """Processes of pylb that an event ended."""
        self.happened: Counter[str] = Counter()
        self.costly: list[tuple[float, float, str]] = []
        """From when to when failures of which methods are explained."""

    async def event(self) -> None:
        """Break something, and mend it."""
        run: Callable[[], Awaitable[str]] = self.random.choice(
            [
                *(self.kill_backend, self.stop_backend, self.misbehave, self.flap),
                *(self.kill_worker, self.kill_control, self.kill_registry, self.stop_registry),
                self.register_garbage,
            ]
        )
        began = time.monotonic()
        cost = await run()
        self.happened[run.__name__] += 1
        self.costly.append((began, time.monotonic() + AFTERWARDS, cost))

    async def kill_backend(self) -> str:
        environment = self.environment
        backend = self.random.choice(environment.backends)
        backend.signal(signal.SIGKILL)
        await asyncio.to_thread(backend.restart)
        await environment.register()
        return "POST"

    async def stop_backend(self) -> str:
        backend = self.random.choice(self.environment.backends)
        backend.signal(signal.SIGSTOP)
        await self.asking(1.5)
        backend.signal(signal.SIGCONT)
        return "POST"

    async def misbehave(self) -> str:
        backend = self.random.choice(self.environment.backends)
        how = self.random.choice(["broken", "busy", "resetting", "half-closed", "nonsense", "late"])
        backend.behave(how)
        await self.asking(1.5)
        await asyncio.to_thread(backend.restart)  # also those that it kept waiting are let go
        await self.environment.register()
        return "GET POST" if how in {"broken", "busy"} else "POST"

    async def flap(self) -> str:
        backend = self.random.choice(self.environment.backends)
        await self.environment.deregister(backend.name)
        await self.asking(0.2)
        await self.environment.register()
        return ""

    async def register_garbage(self) -> str:
        """Entries that pylb must exclude, or find dead, without a request lost."""
        environment = self.environment
        entries = [
            entry for _ in range(20) if await environment.register_service(entry := garbage(self.random))
        ]
        await self.asking(1.5)
        for entry in entries:  # Consul cannot deregister an id with control characters.
            assert await environment.register_service({"ID": entry["ID"], "Name": "parked"})
        return ""

    async def kill_worker(self) -> str:
        victim = self.random.choice(self.environment.processes("worker"))
        self.killed.add(victim.pid)
        victim.kill()
        await self.environment.until(lambda: self.environment.has_two_workers_besides(victim.pid), seconds=30)
        return "GET POST"

    async def kill_control(self) -> str:
        (control,) = self.environment.processes("control")
        self.killed.add(control.pid)
        control.kill()
        await self.environment.until(self.answers, seconds=30)
        return ""

    async def kill_registry(self) -> str:
        environment = self.environment
        await asyncio.to_thread(environment.consul.restart)
        await self.asking(0.5)
        await environment.register()
        return ""

    async def stop_registry(self) -> str:
        self.environment.consul.signal(signal.SIGSTOP)
        await self.asking(1.0)
        self.environment.consul.signal(signal.SIGCONT)
        return ""

    async def answers(self) -> bool:
        try:
            return bool(await self.environment.ready())
        except OSError:
            return False

    async def healed(self) -> bool:
        """Whether all backends take requests."""
        try:
            return await is_state(self.environment, "up", 3)
        except OSError:
            return False

    async def asking(self, seconds: float) -> None:
        await self.load.continue_until(time.monotonic() + seconds)

    def errors(self) -> list[str]:
        """Lines of the log that tell of a defect: an ERROR or a traceback not caused by an event."""
        pids = "|".join(map(str, self.killed)) or "none"
        caused = re.compile(rf"\bpid ({pids})\b")
        found = [line for line in self.environment.log if " ERROR " in line or line.startswith("Traceback")]
        return [line for line in found if not caused.search(line)]

    def unexplained(self) -> list[str]:
        found = []
        for end, method, status, seconds in self.load.ends:
            if status == 200:
                continue
            costs = [cost for began, over, cost in self.costly if began <= end and end - seconds <= over]
            if not any(method in cost for cost in costs):
                found.append(f"{method} {status} at {end - self.load.started:.1f} s")
        return found

    async def run(self, minutes: float) -> bool:
        """Break things for so long; whether all that was promised was kept."""
        environment, end = self.environment, time.monotonic() + 60 * minutes
        warm = time.monotonic() + min(60.0, 15 * minutes)
        before: Holdings | None = None
        hostile = HostileClients(environment.port, environment.tls_port, self.context, self.seed)
        load = Load(environment.port, pause=PAUSE, tls=(environment.tls_port, self.context))
        async with load as self.load:
            async with hostile:
                while time.monotonic() < end:
                    await self.event()
                    await environment.until(self.healed, seconds=60)
                    await self.asking(self.random.uniform(0.2, 2))
                    if before is None and time.monotonic() > warm:
                        before = Holdings.of(environment)
            await self.asking(5)
            after = Holdings.of(environment)
        before = before or after
        unexplained, errors = self.unexplained(), self.errors()
        failed = self.load.sent - self.load.statuses[200]
        happened = ", ".join(f"{name} {count}" for name, count in sorted(self.happened.items()))
        shown = "".join(f"  {line[:200]}\n" for line in errors[:10])
        examples = f": {'; '.join(unexplained[:10])}" if unexplained else ""
        sys.stdout.write(
            f"{happened}\n"
            f"{self.load.sent:,} requests, {failed} failed, {len(unexplained)} unexplained{examples}\n"
            f"{sum(hostile.aborted.values()):,} connections aborted in {len(hostile.aborted)} ways\n"
            f"{len(errors)} ERROR lines without a cause\n{shown}"
            f"before {before}\n"
            f"after  {after}\n"
        )
        grown = after.rss > MOST_GROWTH * before.rss or after.threads > before.threads
        return not (unexplained or errors or grown or after.descriptors > before.descriptors + 10)


async def soak(minutes: float, seed: int) -> bool:
    """Run it in a new environment."""
    with tempfile.TemporaryDirectory(prefix="pylb-soak-") as name:
        directory = Path(name)
        authority = Authority(directory / "certificates")
        context = ssl.create_default_context(cafile=authority.certificate)
        options = [
            *OPTIONS,
            "--state-dir",
            str(directory / "state"),
            "--upstream-tls-ca",
            authority.certificate,
        ]
        async with Environment(directory, *options, pair=authority.sign("127.0.0.1")) as environment:
            return await Soak(environment, context, seed).run(minutes)


def main() -> None:
    """Exit code 1 if something grew or got lost."""
    parser = argparse.ArgumentParser(description="break pylb at random for a long time")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    sys.exit(0 if asyncio.run(soak(given.minutes, given.seed)) else 1)


if __name__ == "__main__":
    main()

"""Pipelines without probes, overrides and history."""

import asyncio

from pylb.discovery.guard import Guard
from pylb.discovery.pipeline import Pipeline
from pylb.discovery.status import DiscoveryStatus
from pylb.discovery.watch import Watch

END = object()
"""In a script: the provider returns, which it never should."""


class ScriptedProvider:
    """Yields snapshots, raises exceptions; at the end of the script it waits for more."""

    def __init__(self, *script):
        self.script = asyncio.Queue()
        self.then(*script)
        self.lives = 0

    def then(self, *steps):
        for step in steps:
            self.script.put_nowait(step)

    @property
    def done(self):
        return self.script.empty()

    async def watch(self):
        self.lives += 1
        while True:
            step = await self.script.get()
            if isinstance(step, Exception):
                raise step
            if step is END:
                return
            yield step


class NoProbes:
    """Probes nothing."""

    def follow(self, _):
        return {}


class NoRecorder:
    """Records nothing."""

    def record(self, _):
        return lambda: None


def make_pipeline(watch, deliver, *, guard=None, probes=None, **options):
    """A pipeline that calls `deliver` with each state and what to call when it is applied."""
    return Pipeline(
        watch,
        guard or Guard(watch.status.guards),
        probes or NoProbes(),
        **{"overrides": tuple, "recorder": NoRecorder(), "deliver": deliver, **options},
    )


def scripted_pipeline(deliver, *script, guard=None, clock=None, sleep=None, **options):
    """A pipeline over a script; returns it with its provider."""
    provider, status = ScriptedProvider(*script), DiscoveryStatus("web")
    timed = {"clock": clock} if clock else {}
    watch = Watch(provider, status, **timed, **({"sleep": sleep} if sleep else {}))
    guard = guard(status.guards) if guard else None
    return make_pipeline(watch, lambda state, _: deliver(state), guard=guard, **timed, **options), provider


async def read(provider, until):
    """Wait until the script has been read, and its last step acted upon."""
    await until(lambda: provider.done)
    for _ in range(5):
        await asyncio.sleep(0)

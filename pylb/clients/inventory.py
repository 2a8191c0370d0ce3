"""All containers of an engine, each read by itself: one that cannot be read affects no other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from pylb.clients.docker import DockerClient, EngineError, Listed
from pylb.containers.container import Container

INSPECTS_AT_ONCE = 16
SILENCE = 30.0
"""Seconds for which a container about which the engine did not answer in time is not asked about again,
unless an event names it: each such question would hold up the news of all others."""
NEVER_STARTED = "created"
ENDED = frozenset({"exited", "dead", "removing", "restarting"})
PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Unread:
    """A container about which nothing is known but that it exists."""

    id: str
    name: str
    reason: str

    @property
    def problem(self) -> str:
        """In a sentence, without its name."""
        return f"it cannot be read: {self.reason}"


@dataclass(frozen=True, slots=True)
class Inventory:
    """What the engine has, at one moment."""

    containers: tuple[Container, ...]
    """The oldest first; those that have ended too, but none that was never started."""
    unread: tuple[Unread, ...] = ()


class InventoryReader:
    """Reads an engine's containers, again and again.

    One whose inspection fails stays as it was read last, with a problem that says so, for as long as the
    engine lists it in the same state; one that was never read is `unread`.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, Container] = {}
        self._silent: dict[str, tuple[float, str]] = {}
        """By id: until when it is not asked about again, and what became of the last question."""
        self._places = asyncio.Semaphore(INSPECTS_AT_ONCE)

    def changed(self, containers: Iterable[str]) -> None:
        """Ask about these again at the next reading, as an event has named them.

        Args:
            containers: their ids.
        """
        for each in containers:
            self._silent.pop(each, None)

    async def read(self, docker: DockerClient) -> Inventory:
        """Read all containers.

        The engine answers about one that is started for the first time only when it has been started, so
        one that never was is left out.

        Args:
            docker: the engine, always the same one.

        Raises:
            EngineError: the engine does not list them.
        """
        listed = [each for each in await docker.containers() if each.state != NEVER_STARTED]
        present = {each.id for each in listed}
        self._known = {key: each for key, each in self._known.items() if key in present}
        self._silent = {key: each for key, each in self._silent.items() if key in present}
        found = await asyncio.gather(*(self._read(docker, each) for each in listed))
        read = {each.id: each for each in found if isinstance(each, Container)}
        unread = {each.id: each for each in found if isinstance(each, Unread)}
        for each in list(read.values()):
            if each.joined in read:
                read[each.id] = each.living_in(read[each.joined])
            elif each.joined in unread:  # so its addresses are not known either
                del read[each.id]
                unread[each.id] = Unread(each.id, each.name, unread[each.joined].reason)
        containers = sorted(read.values(), key=lambda each: (each.created, each.id))
        return Inventory(tuple(containers), tuple(unread.values()))

    async def _read(self, docker: DockerClient, listed: Listed) -> Container | Unread | None:
        """Read one; None if it is gone."""
        try:
            container = await self._inspect(docker, listed.id)
        except EngineError as error:
            return self._remembered(listed, str(error))
        if container:
            self._known[listed.id] = container
        return container

    async def _inspect(self, docker: DockerClient, container: str) -> Container | None:
        until, reason = self._silent.get(container, (0.0, ""))
        if reason and self._clock() < until:
            raise EngineError(reason)
        async with self._places:
            try:
                found = await docker.inspect(container)
            except EngineError as failure:
                if isinstance(failure.__cause__, TimeoutError):
                    self._silent[container] = (self._clock() + SILENCE, str(failure))
                raise
        self._silent.pop(container, None)
        return found

    def _remembered(self, listed: Listed, reason: str) -> Container | Unread:
        unread = Unread(listed.id, listed.name, reason)
        known = self._known.get(listed.id)
        if known is None or (not known.running and listed.state not in ENDED):
            return unread
        return replace(
            known,
            running=listed.state not in ENDED,
            paused=listed.state == PAUSED,
            problems=(*known.problems, unread.problem),
        )

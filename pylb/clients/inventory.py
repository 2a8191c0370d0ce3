"""Reads all containers of an engine with one call per container: a failed inspection affects no other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from pylb.clients.docker import DockerClient, EngineError, Listed
from pylb.containers.container import Container

MAX_INSPECTIONS = 16
SKIP_TIME = 10.0
"""Seconds for which a container is not inspected again after a timeout, unless an event names it: each such
inspection would delay the changes of all others."""
NEVER_STARTED = "created"
ENDED = frozenset({"exited", "dead", "removing", "restarting"})
PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Unread:
    """A container that is listed and was never inspected successfully."""

    id: str
    name: str
    reason: str

    @property
    def problem(self) -> str:
        """The reason in a sentence, without the name."""
        return f"it cannot be read: {self.reason}"


@dataclass(frozen=True, slots=True)
class Inventory:
    """The containers of an engine at one moment."""

    containers: tuple[Container, ...]
    """Oldest first; including those that have ended, without those that were never started."""
    unread: tuple[Unread, ...] = ()


class InventoryReader:
    """Reads the containers of an engine repeatedly.

    If an inspection fails, the result of the last one is used, with a problem added, as long as the engine
    lists the container in the same state. A container that was never inspected successfully is `unread`.

    Args:
        clock: returns monotonic seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, Container] = {}
        self._skipped: dict[str, tuple[float, str]] = {}
        """By id: the time until which it is not inspected, and the reason of the last failure."""
        self._inspections = asyncio.Semaphore(MAX_INSPECTIONS)

    def changed(self, containers: Iterable[str]) -> None:
        """Inspect these containers in the next reading, because an event named them.

        Args:
            containers: their ids.
        """
        for each in containers:
            self._skipped.pop(each, None)

    async def read(self, docker: DockerClient) -> Inventory:
        """Read all containers.

        The engine delays the inspection of a container that is starting for the first time until it has
        started, so containers that never started are skipped.

        Args:
            docker: the client of the engine, the same in each call.

        Raises:
            EngineError: the engine does not list them.
        """
        listed = [each for each in await docker.containers() if each.state != NEVER_STARTED]
        present = {each.id for each in listed}
        self._known = {key: each for key, each in self._known.items() if key in present}
        self._skipped = {key: each for key, each in self._skipped.items() if key in present}
        found = await asyncio.gather(*(self._read(docker, each) for each in listed))
        read = {each.id: each for each in found if isinstance(each, Container)}
        unread = {each.id: each for each in found if isinstance(each, Unread)}
        for each in list(read.values()):
            if each.joined in read:
                read[each.id] = each.sharing_network_of(read[each.joined])
            elif each.joined in unread:  # its addresses are those of the joined container
                del read[each.id]
                unread[each.id] = Unread(each.id, each.name, unread[each.joined].reason)
        containers = sorted(read.values(), key=lambda each: (each.created, each.id))
        return Inventory(tuple(containers), tuple(unread.values()))

    async def _read(self, docker: DockerClient, listed: Listed) -> Container | Unread | None:
        """Inspect one; return None if it does not exist."""
        try:
            container = await self._inspect(docker, listed.id)
        except EngineError as error:
            return self._last_known(listed, str(error))
        if container:
            self._known[listed.id] = container
        return container

    async def _inspect(self, docker: DockerClient, container: str) -> Container | None:
        until, reason = self._skipped.get(container, (0.0, ""))
        if reason and self._clock() < until:
            raise EngineError(reason)
        async with self._inspections:
            try:
                found = await docker.inspect(container)
            except EngineError as failure:
                if isinstance(failure.__cause__, TimeoutError):
                    self._skipped[container] = (self._clock() + SKIP_TIME, str(failure))
                raise
        self._skipped.pop(container, None)
        return found

    def _last_known(self, listed: Listed, reason: str) -> Container | Unread:
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

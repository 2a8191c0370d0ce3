"""Control's side of the channels: every worker gets what is true now, and says when it goes by it.

What one of them finds out about a backend is passed on to the others.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from time import monotonic
from typing import Any

from pylb.ipc.channel import Channel
from pylb.ipc.control_socket import Hello, accept
from pylb.ipc.health_update import HEALTH_UPDATE, HealthUpdate
from pylb.ipc.update import UPDATE, Update
from pylb.runtime.lifecycle import TaskScope, spawn

log = logging.getLogger("pylb.control")


class Member:
    """One worker."""

    def __init__(
        self, greeting: Hello, heard: Callable[[Member, str, Any], None], lost: Callable[[Member], None]
    ) -> None:
        self.greeting = greeting
        self.channel = Channel(lambda kind, content: heard(self, kind, content), lambda: lost(self))
        self.applied: dict[str, int] = {}
        """By service: the generation that it goes by. Nothing here yet: it has not said."""

    def __repr__(self) -> str:
        return f"<Member {self.greeting.name}, generation {self.greeting.generation}: {self.applied}>"


class ControlServer:
    """All workers.

    Args:
        control_socket: the end of the mailbox where they come from.
    """

    def __init__(self, control_socket: socket.socket) -> None:
        self.members: set[Member] = set()
        self.updates: dict[str, bytes] = {}
        """By service: the last update, ready to be sent."""
        self.joined = asyncio.Event()
        """Whether a worker has said what it goes by."""
        self._news: dict[str, HealthUpdate] = {}
        """By subject: what workers have found out, as long as it holds; for those that come later."""
        self._door = control_socket
        self._under_way: dict[str, deque[tuple[int, Callable[[], None]]]] = defaultdict(deque)
        """By service: generations that not all workers go by, and what to call when they do."""

    def serving(self) -> list[dict[str, Any]]:
        """The workers that go by something."""
        return [
            {**asdict(member.greeting), "applied": dict(member.applied)}
            for member in sorted(self.members, key=lambda member: (member.greeting.name, member.greeting.pid))
            if member.applied
        ]

    def open(self, owner: TaskScope) -> None:
        """Let workers in, until the owner ends."""
        self._door.setblocking(False)
        asyncio.get_running_loop().add_reader(self._door, self._let_in, owner)

    def close(self) -> None:
        """Let nobody in any more, and hang up."""
        asyncio.get_running_loop().remove_reader(self._door)
        for member in self.members:
            member.channel.close()

    def publish(self, update: Update, applied: Callable[[], None] | None = None) -> None:
        """Send an update to all workers; those that are behind skip what it replaces.

        Args:
            update: all that there is to say of a service.
            applied: called when every worker goes by this update, or by a newer one.
        """
        if applied:
            self._under_way[update.service].append((update.generation, applied))
        self.updates[update.service] = content = update.to_bytes()
        for member in self.members:
            member.channel.post(UPDATE, update.service, content)

    def _let_in(self, owner: TaskScope) -> None:
        try:
            while (newcomer := accept(self._door)) is not None:
                greeting, end = newcomer
                member = Member(greeting, self._heard, self._lost)
                spawn(self._join(member, end), name=f"greet {greeting.name}", owner=owner)
        except ConnectionError:  # Everybody else is gone, and so is this process in a moment.
            asyncio.get_running_loop().remove_reader(self._door)

    async def _join(self, member: Member, end: socket.socket) -> None:
        self.members.add(member)
        await member.channel.open(end)
        log.debug("%s (pid %d) is here", member.greeting.name, member.greeting.pid)
        for service, content in self.updates.items():
            member.channel.post(UPDATE, service, content)
        for news in self._news.values():
            if news.until > monotonic():
                member.channel.post(HEALTH_UPDATE, news.subject, news.to_bytes())

    def _heard(self, member: Member, kind: str, content: Mapping[str, Any]) -> None:
        if kind == HEALTH_UPDATE:
            self._pass_on(HealthUpdate.from_dict(content), member)
        else:
            member.applied[content["service"]] = content["generation"]
            self.joined.set()
            self._settle(content["service"])

    def _pass_on(self, news: HealthUpdate, author: Member) -> None:
        """Tell all but one of the workers, and keep what will not be over soon."""
        now = monotonic()
        self._news = {each.subject: each for each in self._news.values() if each.until > now}
        self._news[news.subject] = news
        for member in self.members - {author}:
            member.channel.post(HEALTH_UPDATE, news.subject, news.to_bytes())

    def _lost(self, member: Member) -> None:
        self.members.discard(member)
        log.debug("%s (pid %d) has left", member.greeting.name, member.greeting.pid)
        for service in self.updates:
            self._settle(service)

    def _settle(self, service: str) -> None:
        """Look how far all workers have got."""
        reached = min((member.applied.get(service, 0) for member in self.members), default=0)
        under_way = self._under_way[service]
        while under_way and under_way[0][0] <= reached:
            _, applied = under_way.popleft()
            applied()

"""A worker's side of the channel: it follows control, whichever control there is."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import orjson

from pylb.process.ipc.channel import Channel
from pylb.process.ipc.news import NEWS, News
from pylb.process.ipc.rendezvous import Greeting, meet
from pylb.process.ipc.update import Update

APPLIED = "applied"
"""The kind of message that says which generation of a service a worker goes by."""

AGAIN = 0.1
"""Seconds until a worker that found the mailbox full leaves another end there."""


class Link:
    """The connection to control, and to the next one when that is gone.

    Args:
        door: the workers' end of the mailbox.
        greeting: who this worker is.
        apply: takes updates; when it returns, the worker goes by them.
        hear: takes what other workers have found out.
    """

    def __init__(
        self,
        door: socket.socket,
        greeting: Greeting,
        apply: Callable[[Update], object],
        hear: Callable[[News], object],
    ) -> None:
        door.setblocking(False)
        self._door = door
        self._greeting = greeting
        self._apply = apply
        self._hear = hear
        self._channel: Channel | None = None

    async def follow(self) -> None:
        """Take what control sends, for as long as there is a supervisor that would start another control.

        An end is left for the next control at once: only one that lives takes it, so this cannot run wild.
        """
        while True:
            try:
                end = meet(self._door, self._greeting)
            except BlockingIOError:
                await asyncio.sleep(AGAIN)
                continue
            except ConnectionError:
                return
            gone = asyncio.Event()
            self._channel = Channel(self._receive, gone.set)
            await self._channel.open(end)
            try:
                await gone.wait()
            finally:
                self._channel.close()

    def tell(self, news: News) -> None:
        """Let the other workers know. Without control they find out for themselves, which costs a retry."""
        if self._channel:
            self._channel.post(NEWS, news.subject, news.to_bytes())

    def _receive(self, kind: str, content: dict[str, Any]) -> None:
        if kind == NEWS:
            self._hear(News.from_dict(content))
            return
        update = Update.from_dict(content)
        self._apply(update)
        if self._channel:
            applied = {"service": update.service, "generation": update.generation}
            self._channel.post(APPLIED, update.service, orjson.dumps(applied))

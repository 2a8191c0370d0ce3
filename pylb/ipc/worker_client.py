"""A worker's side of the channel: connects to control, and to the next control process after its end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import orjson

from pylb.ipc.channel import Channel
from pylb.ipc.control_socket import Hello, connect
from pylb.ipc.health_update import HEALTH_UPDATE, HealthUpdate
from pylb.ipc.update import Update

APPLIED = "applied"
"""The kind of the message with the generation of a service that a worker has applied."""

AGAIN = 0.1
"""Seconds until a worker retries to connect if the queue of the control socket is full."""


class WorkerClient:
    """The connection to control, which is renewed when control is replaced.

    Args:
        control_socket: the workers' end of the control socket.
        greeting: identifies this worker.
        apply: applies an update.
        hear: applies a health update of another worker.
    """

    def __init__(
        self,
        control_socket: socket.socket,
        greeting: Hello,
        apply: Callable[[Update], object],
        hear: Callable[[HealthUpdate], object],
    ) -> None:
        control_socket.setblocking(False)
        self._control_socket = control_socket
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
                end = connect(self._control_socket, self._greeting)
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

    def tell(self, news: HealthUpdate) -> None:
        """Let the other workers know. Without control they find out for themselves, which costs a retry."""
        if self._channel:
            self._channel.post(HEALTH_UPDATE, news.subject, news.to_bytes())

    def _receive(self, kind: str, content: dict[str, Any]) -> None:
        if kind == HEALTH_UPDATE:
            self._hear(HealthUpdate.from_dict(content))
            return
        update = Update.from_dict(content)
        self._apply(update)
        if self._channel:
            applied = {"service": update.service, "generation": update.generation}
            self._channel.post(APPLIED, update.service, orjson.dumps(applied))

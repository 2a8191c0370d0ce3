"""A worker's side of the channel: connects to control, and to the next control process after its end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

from pylb.ipc.channel import Channel
from pylb.ipc.control_socket import Hello, connect
from pylb.ipc.health_update import HEALTH_UPDATE, HealthUpdate
from pylb.ipc.message_queue import MessageQueue
from pylb.ipc.routing_update import ROUTING, Apply, RoutingReader
from pylb.ipc.update import Update

APPLIED = "applied"
"""The kind of the message with the generation of a service that a worker has applied."""

RECENT_REQUESTS = "requests"
"""The kind of the message with the requests that a worker has recorded."""

ROUTE_COUNTS = "route-counts"
"""The kind of the message with the requests and errors that a worker has counted by route."""

RETRY_DELAY = 0.1
"""Seconds until a worker retries to connect if the queue of the control socket is full."""


class WorkerClient:
    """The connection to control, which is renewed when control is replaced.

    Args:
        control_socket: the workers' end of the control socket.
        hello: identifies this worker.
        apply: applies an update.
        on_health_update: applies a health update of another worker.
        apply_routing: applies changed routes; see `RoutingReader`.
    """

    def __init__(
        self,
        control_socket: socket.socket,
        hello: Hello,
        apply: Callable[[Update], object],
        on_health_update: Callable[[HealthUpdate], object],
        apply_routing: Apply = lambda _: None,
    ) -> None:
        control_socket.setblocking(False)
        self._control_socket = control_socket
        self._hello = hello
        self._apply = apply
        self._on_health_update = on_health_update
        self._routing_reader = RoutingReader(apply_routing)
        self._messages = MessageQueue(self._handle)
        self._channel: Channel | None = None

    async def follow(self) -> None:
        """Receive the messages of control, and of the next control, until the supervisor has ended.

        After a loss the worker reconnects immediately. Its socket waits until a control accepts it, so that
        this is not a busy loop.
        """
        while True:
            try:
                end = connect(self._control_socket, self._hello)
            except BlockingIOError:
                await asyncio.sleep(RETRY_DELAY)
                continue
            except ConnectionError:
                return
            gone = asyncio.Event()
            self._messages.clear()  # The next control sends everything again.
            self._channel = Channel(self._messages.put, gone.set)
            await self._channel.open(end)
            try:
                await gone.wait()
            finally:
                self._channel.close()

    def send(self, update: HealthUpdate) -> None:
        """Send a health update to the other workers. It is lost without a control, at the cost of a retry."""
        if self._channel:
            self._channel.queue_message(HEALTH_UPDATE, update.subject, update.to_bytes())

    def send_requests(self, entries: Sequence[Sequence[str]]) -> None:
        """Send recorded requests to control; see `sinks.recent_requests`. They are lost without a control."""
        if self._channel:
            self._channel.queue_message(RECENT_REQUESTS, "", orjson.dumps(entries))

    def send_route_counts(self, totals: Sequence[Sequence[Any]]) -> None:
        """Send the counts by route to control; see `sinks.route_counts`."""
        if self._channel:
            self._channel.queue_message(ROUTE_COUNTS, "", orjson.dumps(totals))

    def _handle(self, kind: str, content: dict[str, Any]) -> Iterator[None]:
        """Handle a message in short steps."""
        if kind == HEALTH_UPDATE:
            self._on_health_update(HealthUpdate.from_dict(content))
        elif kind == ROUTING:
            yield from self._routing_reader.read(content)
            self._acknowledge(ROUTING, content["generation"])
        else:
            update = Update.from_dict(content)
            self._apply(update)
            self._acknowledge(update.service, update.generation)

    def _acknowledge(self, subject: str, generation: int) -> None:
        if self._channel:
            applied = {"service": subject, "generation": generation}
            self._channel.queue_message(APPLIED, subject, orjson.dumps(applied))

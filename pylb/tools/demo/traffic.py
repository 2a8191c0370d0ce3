"""A generator of a moderate number of requests for the demo."""

from __future__ import annotations

import asyncio
import logging

import aiohttp

from pylb.runtime.lifecycle import TaskScope, spawn

log = logging.getLogger("pylb.tools.demo")

CLIENTS = 5
PAUSE = 0.05
"""Seconds between two requests of a client; all clients together send 100 requests a second."""


class Traffic:
    """Clients that request one URL repeatedly over persistent connections.

    Args:
        url: the URL.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.sent = 0
        self.failed = 0
        """Requests without a response, or with a status of 500 or above."""
        self._clients: TaskScope | None = None

    @property
    def on(self) -> bool:
        """Whether requests are being sent."""
        return self._clients is not None

    async def toggle(self) -> None:
        """Stop the clients if they are running, or start them."""
        if self.on:
            await self.stop()
        else:
            self.start()

    def start(self) -> None:
        """Start the clients."""
        self._clients = TaskScope("traffic")
        for number in range(CLIENTS):
            spawn(self._send_requests(), name=f"client {number}", scope=self._clients)

    async def stop(self) -> None:
        """Stop the clients, and wait for the responses to requests in flight."""
        clients, self._clients = self._clients, None
        if clients:
            await asyncio.gather(*clients.tasks)

    async def _send_requests(self) -> None:
        clients = self._clients
        async with aiohttp.ClientSession() as session:
            while self._clients is clients:
                self.sent += 1
                try:
                    async with session.get(self.url) as response:
                        await response.read()
                        problem = "" if response.status < 500 else f"status {response.status}"
                except (aiohttp.ClientError, OSError) as error:
                    problem = str(error) or type(error).__name__
                if problem:
                    self.failed += 1
                    log.warning("a request failed: %s", problem)
                await asyncio.sleep(PAUSE)

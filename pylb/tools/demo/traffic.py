"""A trickle of requests, so that there is something to see while nobody reloads a page."""

from __future__ import annotations

import asyncio
import logging

import aiohttp

from pylb.runtime.lifecycle import TaskScope, spawn

log = logging.getLogger("pylb.tools.demo")

CLIENTS = 5
PAUSE = 0.05
"""Seconds between two requests of a client: 100 requests a second, all together."""


class Traffic:
    """Clients that ask for one URL again and again, over connections that stay open.

    Args:
        url: what they ask for.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.sent = 0
        self.failed = 0
        """Requests without an answer, or with one of 500 or more."""
        self._clients: TaskScope | None = None

    @property
    def on(self) -> bool:
        """Whether requests are being sent."""
        return self._clients is not None

    async def toggle(self) -> None:
        """Stop if it runs, start if it does not."""
        if self.on:
            await self.stop()
        else:
            self.start()

    def start(self) -> None:
        """Begin to send requests."""
        self._clients = TaskScope("traffic")
        for number in range(CLIENTS):
            spawn(self._ask(), name=f"client {number}", owner=self._clients)

    async def stop(self) -> None:
        """Send no more, if any are being sent, and wait for the answers that are under way."""
        clients, self._clients = self._clients, None
        if clients:
            await asyncio.gather(*clients.tasks)

    async def _ask(self) -> None:
        clients = self._clients
        async with aiohttp.ClientSession() as session:
            while self._clients is clients:
                self.sent += 1
                try:
                    async with session.get(self.url) as answer:
                        await answer.read()
                        trouble = "" if answer.status < 500 else f"status {answer.status}"
                except (aiohttp.ClientError, OSError) as error:
                    trouble = str(error) or type(error).__name__
                if trouble:
                    self.failed += 1
                    log.warning("a request failed: %s", trouble)
                await asyncio.sleep(PAUSE)

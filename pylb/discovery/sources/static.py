"""Yields the fixed instances of `--static`, or of a service in a file of routes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator

from pylb.model import Endpoint, Snapshot


class StaticProvider:
    """Yields one snapshot with the given endpoints.

    Args:
        service: the name of the service.
        endpoints: from `config.fixed_backends`.
    """

    def __init__(self, service: str, endpoints: tuple[Endpoint, ...]) -> None:
        self.service = service
        self.endpoints = endpoints

    async def watch(self) -> AsyncGenerator[Snapshot, None]:
        """See `Provider.watch`."""
        yield Snapshot(self.service, self.endpoints, observed=time.time(), cause="--static")
        await asyncio.Event().wait()

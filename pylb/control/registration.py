"""Keeps pylb registered in Consul while it serves, if `--register` is set."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from pylb.clients.consul import ConsulClient
from pylb.clients.consul_agent import ConsulAgent
from pylb.config import Options
from pylb.config.kinds import HostPort
from pylb.config.sources import Consul
from pylb.registry.self_registration import Identity, SelfRegistration
from pylb.runtime.lifecycle import TaskScope, keep_running

ANY = frozenset(["", "0.0.0.0", "::"])

Leave = Callable[[], Awaitable[None]]


@asynccontextmanager
async def registered(
    options: Options, obstacles: Callable[[], Sequence[str]], scope: TaskScope
) -> AsyncIterator[Leave]:
    """Keep pylb registered inside the context, if the options require it.

    Args:
        options: the options of pylb.
        obstacles: returns the reasons why pylb should receive no requests.
        scope: holds the task that updates the entry.

    Yields:
        A function that removes the entry. A pylb that is replaced by another one does not call it.
    """
    if options.register is None:
        yield _nothing
        return
    async with ConsulClient(Consul.of(options)) as client:
        self_registration = SelfRegistration(
            ConsulAgent(client), identity(options, options.register), obstacles
        )
        keeping = keep_running(
            self_registration.keep, name=f"be registered as {options.register}", scope=scope
        )
        try:
            yield self_registration.leave
        finally:
            keeping.cancel()


def identity(options: Options, service: str) -> Identity:
    """The registered address: the first one that pylb listens on, or that of the options."""
    listen = (*options.listen, *options.listen_tls)[0]
    given = options.register_address or HostPort("" if listen.host in ANY else listen.host)
    return Identity(service, socket.gethostname(), given.port or listen.port, given.host)


async def _nothing() -> None:
    """There is no entry."""

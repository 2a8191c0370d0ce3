"""Keeps pylb's own entry in Consul for as long as pylb serves, if it is to have one."""

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
    options: Options, obstacles: Callable[[], Sequence[str]], owner: TaskScope
) -> AsyncIterator[Leave]:
    """Be registered meanwhile, if the options say so.

    Args:
        options: what the user wants.
        obstacles: why pylb should be sent no requests; nothing if it should.
        owner: of the task that keeps the entry true.

    Yields:
        What removes the entry. Who is only replaced by another pylb does not call it.
    """
    if options.register is None:
        yield _nothing
        return
    async with ConsulClient(Consul.of(options)) as client:
        self_registration = SelfRegistration(
            ConsulAgent(client), identity(options, options.register), obstacles
        )
        keeping = keep_running(
            self_registration.keep, name=f"be registered as {options.register}", owner=owner
        )
        try:
            yield self_registration.leave
        finally:
            keeping.cancel()


def identity(options: Options, service: str) -> Identity:
    """How pylb is found: by the first address that it listens on, or the one that the options name."""
    listen = (*options.listen, *options.listen_tls)[0]
    given = options.register_address or HostPort("" if listen.host in ANY else listen.host)
    return Identity(service, socket.gethostname(), given.port or listen.port, given.host)


async def _nothing() -> None:
    """There is no entry."""

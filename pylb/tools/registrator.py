"""`pylb registrator`: the options, the process and the admin port around `registry.registrator`.

This file translates options into `Rules`, connects to the engine and the agent, and runs the registrator
until a signal. It decides nothing about containers.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import ClassVar

import uvloop
from aiohttp import web

from pylb.clients.consul import ConsulClient
from pylb.clients.consul_agent import ConsulAgent
from pylb.clients.docker import DockerClient, Engine, EngineError
from pylb.config.kinds import (
    ADDRESS,
    CONSUL,
    DURATION,
    DURATION_OR_ZERO,
    FLAG,
    HOST,
    Address,
    Url,
    choice,
    or_off,
    text,
)
from pylb.config.option import Group, option
from pylb.config.records import Logging
from pylb.config.sources import Consul, Docker
from pylb.containers.conventions import split_tags
from pylb.errors import StartError
from pylb.registry.place import Rules
from pylb.registry.registrator import Registrator
from pylb.registry.registrator_page import RegistratorPage
from pylb.runtime.lifecycle import TaskScope, keep_running
from pylb.runtime.logs import log_to_stderr
from pylb.runtime.sockets import close, open_sockets
from pylb.tools import gliderlabs


@dataclass(frozen=True, kw_only=True)
class Registering(Group):
    """Options that decide what is registered, and how; names and meanings are those of registrator."""

    title: ClassVar = "Registering"

    internal: bool = option(
        FLAG, "off", "Register the container's own address and port; by default, the published ones."
    )
    ip: str | None = option(
        HOST, None, "Register every service at this address; by default, at the address Docker reports."
    )
    use_ip_from_label: str | None = option(
        text("LABEL", "a label's name"),
        None,
        "Register a container at the address in this label, if it has the label.",
    )
    tags: str | None = option(
        text("TAGS", "tags separated by commas"), None, "Tags added to those of every service."
    )
    explicit: bool = option(
        FLAG,
        "off",
        "Register only ports with SERVICE_NAME; by default, a port without it is named after its image.",
    )
    require_label: bool = option(
        FLAG, "off", "Register only containers with the label SERVICE_REGISTER, with any value."
    )
    deregister: str = option(
        choice("always", "on-success"),
        "always",
        "Which ended containers are deregistered: all, or all but those that exited with an error.",
    )
    deregister_on_stop_signal: bool = option(
        FLAG,
        "off",
        "Deregister a container when it receives its stop signal, so that it gets no new requests while it "
        "finishes; by default, when it has stopped.",
    )
    cleanup: bool = option(
        FLAG,
        "on",
        "Remove this registrator's entries whose container is gone; entries of others are never removed.",
    )
    resync: float = option(
        DURATION,
        "30s",
        "Longest time between two comparisons of Docker and Consul; an event starts one earlier.",
    )
    ttl: float = option(
        DURATION_OR_ZERO,
        "0",
        "Time after which a registration that this registrator does not confirm is critical; 0 disables it.",
    )
    hostname: str | None = option(
        text("NAME", "a name"),
        None,
        "First part of each service id; by default, the host name of the engine's machine.",
    )


@dataclass(frozen=True, kw_only=True)
class RegistratorOptions(Registering, Consul, Docker, Logging):
    """The options of `pylb registrator`."""

    prefix: ClassVar = "PYLB_REGISTRATOR_"

    consul: Url = option(
        CONSUL, "127.0.0.1:8500", "Address of Consul's HTTP API.", fallbacks=("CONSUL_HTTP_ADDR",)
    )
    admin: Address | None = option(
        or_off(ADDRESS), "127.0.0.1:8082", "Address that serves /health and /metrics."
    )


def spelled_out(arguments: list[str]) -> list[str]:
    """Translate a command line of gliderlabs' registrator into options.

    Raises:
        UsageError: see `gliderlabs.spelled_out`.
    """
    return gliderlabs.spelled_out(RegistratorOptions, arguments)


def run(options: RegistratorOptions) -> int:
    """Run until SIGTERM or SIGINT; registrations remain.

    Raises:
        StartError: the admin address cannot be bound, or a certificate cannot be read.
    """
    log_to_stderr(options.log_level)
    options = replace(options, docker_host=gliderlabs.engine_socket(options.docker_host))
    admin = open_sockets((options.admin,), option="--admin") if options.admin else []
    try:
        return uvloop.run(_register(options, admin))
    except EngineError as error:
        raise StartError(f"--docker-certs: {error}") from None
    finally:
        close(admin)


def read_rules(options: RegistratorOptions, engine: Engine, agent_address: str) -> Rules:
    """Make the rules from the options.

    The owner mark of a registration is the engine's id, so a registrator that replaces this one finds the
    registrations, regardless of its host name.
    """
    return Rules(
        owner=engine.id,
        hostname=options.hostname or engine.name,
        host_address=agent_address,
        internal=options.internal,
        network=options.network or "",
        ip=options.ip or "",
        ip_label=options.use_ip_from_label or "",
        tags=split_tags(options.tags or ""),
        explicit=options.explicit,
        require_label=options.require_label,
        keep_failed=options.deregister == "on-success",
        ttl=options.ttl,
    )


async def _register(options: RegistratorOptions, admin: list[socket.socket]) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    # Confirm a registration three times within its TTL, so that one lost call does not make it critical.
    resync = min(options.resync, options.ttl / 3) if options.ttl else options.resync
    async with AsyncExitStack() as stack:
        docker = await stack.enter_async_context(DockerClient(Docker.of(options)))
        client = await stack.enter_async_context(ConsulClient(Consul.of(options)))
        registrator = Registrator(
            docker,
            ConsulAgent(client),
            lambda engine, address: read_rules(options, engine, address),
            resync=resync,
            cleanup=options.cleanup,
            stop_signals=options.deregister_on_stop_signal,
        )
        page = RegistratorPage(registrator.status, max_age=3 * resync, clock=time.monotonic)
        runner = web.AppRunner(page.app(), access_log=None, shutdown_timeout=1.0)
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        for listening in admin:
            await web.SockSite(runner, listening).start()
        scope = await stack.enter_async_context(TaskScope("registrator"))
        keep_running(registrator.listen, name="read the engine's events", scope=scope)
        keep_running(registrator.keep, name="synchronize the registry with the engine", scope=scope)
        await stop.wait()
    return 0

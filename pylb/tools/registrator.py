"""`pylb registrator`: the process around `registry.registrator`, its options and its small admin port."""

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

from pylb.assembly.sources.consul import consul_settings
from pylb.assembly.sources.docker import engine_settings
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
    """What is registered, and how; names and meanings are registrator's."""

    title: ClassVar = "Registering"

    internal: bool = option(
        FLAG, "off", "Register a container's own address and port instead of the published ones."
    )
    ip: str | None = option(HOST, None, "Register this address for every service.")
    use_ip_from_label: str | None = option(
        text("LABEL", "a label's name"), None, "Register the address that this label of a container holds."
    )
    tags: str | None = option(
        text("TAGS", "tags separated by commas"), None, "Tags that every service gets beside its own."
    )
    explicit: bool = option(
        FLAG, "off", "Register only what has SERVICE_NAME, not every port under its image's name."
    )
    require_label: bool = option(
        FLAG, "off", "Register only containers that have a label SERVICE_REGISTER, with any value."
    )
    deregister: str = option(
        choice("always", "on-success"),
        "always",
        "Which containers are deregistered when they end: all, or those that did not fail by themselves.",
    )
    deregister_on_stop_signal: bool = option(
        FLAG,
        "off",
        "Deregister a container when it is told to stop, not only when it has: no new request goes there "
        "while it finishes.",
    )
    cleanup: bool = option(
        FLAG, "on", "Remove registrations of its own whose container is gone; never anybody else's."
    )
    resync: float = option(
        DURATION, "30s", "How long to wait for an event before everything is compared all the same."
    )
    ttl: float = option(
        DURATION_OR_ZERO,
        "0",
        "How long a registration stays healthy without being confirmed by this registrator; 0: for ever.",
    )
    hostname: str | None = option(
        text("NAME", "a name"),
        None,
        "The first part of each service's id; the name of the engine's machine if not given.",
    )


@dataclass(frozen=True, kw_only=True)
class RegistratorOptions(Registering, Consul, Docker, Logging):
    """All that `pylb registrator` takes."""

    prefix: ClassVar = "PYLB_REGISTRATOR_"

    consul: Url = option(
        CONSUL, "127.0.0.1:8500", "Where Consul's HTTP API is.", fallbacks=("CONSUL_HTTP_ADDR",)
    )
    admin: Address | None = option(or_off(ADDRESS), "127.0.0.1:8082", "Where to serve /health and /metrics.")


def spelled_out(arguments: list[str]) -> list[str]:
    """What gliderlabs' registrator takes, as options.

    Raises:
        UsageError: see `gliderlabs.spelled_out`.
    """
    return gliderlabs.spelled_out(RegistratorOptions, arguments)


def run(options: RegistratorOptions) -> int:
    """Register until told to stop; what is registered stays.

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
    """How to register, as the options say.

    What is registered is marked with the engine's id: another registrator that looks after the same engine
    finds it again, whatever it is called.
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
    # A registration that expires is confirmed several times before it does.
    resync = min(options.resync, options.ttl / 3) if options.ttl else options.resync
    async with AsyncExitStack() as stack:
        docker = await stack.enter_async_context(DockerClient(engine_settings(options)))
        client = await stack.enter_async_context(ConsulClient(consul_settings(options)))
        registrator = Registrator(
            docker,
            ConsulAgent(client),
            lambda engine, address: read_rules(options, engine, address),
            resync=resync,
            cleanup=options.cleanup,
            stop_signals=options.deregister_on_stop_signal,
        )
        page = RegistratorPage(registrator.status, patience=3 * resync, clock=time.monotonic)
        runner = web.AppRunner(page.app(), access_log=None, shutdown_timeout=1.0)
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        for listening in admin:
            await web.SockSite(runner, listening).start()
        owner = await stack.enter_async_context(TaskScope("registrator"))
        keep_running(registrator.listen, name="follow the engine's events", owner=owner)
        keep_running(registrator.keep, name="keep the registry equal to the engine", owner=owner)
        await stop.wait()
    return 0

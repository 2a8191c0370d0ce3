"""Measures one number of services: the delay and cost of changes, and the cost of periods without changes."""

from __future__ import annotations

import os
import random
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import psutil

from bench.change.services.catalog import STEADY, Services, serve_consul
from bench.change.services.traffic import Client, origin
from bench.lib.fleet import temporary_directory
from bench.lib.ports import free_port
from bench.lib.server import Command, Server, StartError, serve, wait_for

HERE = Path(__file__).parent
READY = 120.0
"""Seconds within which all services must be ready."""
WARM_UP = 10
"""Changes before the measurement."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one measurement."""

    services: int
    nodes: int
    own: int
    """Services with a separate query; pylb's default if negative."""
    workers: int
    changes: int
    quiet: float
    """Seconds without changes."""
    has_checks: bool


@dataclass(frozen=True)
class Usage:
    """Resources used in a period."""

    seconds: float
    consul: float
    """Seconds of CPU time."""
    pylb: float
    """Seconds of CPU time."""
    read: int
    """Bytes that pylb read."""


@dataclass
class Result:
    """The figures of one measurement."""

    ready: float
    """Seconds from the start of pylb until all services were ready."""
    connections: int = 0
    """Connections to Consul without changes."""
    rss: int = 0
    """Resident memory of pylb in bytes."""
    times: dict[str, list[float]] = field(default_factory=dict)
    """Delays in seconds, by kind of change."""
    lost: int = 0
    changing: Usage | None = None
    idle: Usage | None = None
    changes: int = 0


class Meter:
    """Measures the resources that Consul and pylb use."""

    def __init__(self, consul: Server, pylb: Server) -> None:
        self._consul, self._pylb = consul, pylb
        self._began = self._now()

    def _now(self) -> tuple[float, float, float, int]:
        read = sum(process.io_counters().read_chars for process in self._pylb.processes)
        return time.monotonic(), self._consul.cpu().total, self._pylb.cpu().total, read

    def take(self) -> Usage:
        """Return the usage since the meter was created."""
        return Usage(*(now - before for now, before in zip(self._now(), self._began, strict=True)))  # type: ignore[arg-type]


def measure(settings: Settings) -> Result:
    """Run one measurement.

    Raises:
        StartError: not all services were ready within `READY`.
    """
    names = [f"svc-{number}" for number in range(settings.services)]
    with ExitStack() as stack:
        enter = stack.enter_context
        cores = sorted(os.sched_getaffinity(0))
        consul = enter(serve_consul(enter(temporary_directory()), cores))
        services = Services(consul, names, settings.nodes, has_checks=settings.has_checks)
        stack.callback(services.close)
        old, new = enter(origin(b"old")), enter(origin(b"new"))
        services.fill(old)
        began = time.monotonic()
        pylb, admin = enter(start(settings, consul, names, cores))
        pylb.wait_until_ready("/ready", containing=b'"ready": true')
        if not wait_for(lambda: complete(admin, len(names)), READY):
            raise StartError(f"not all of {len(names)} services are ready")
        result = Result(time.monotonic() - began)
        client = Client(admin.client)
        stack.callback(client.close)
        rng = random.Random(1)
        for _ in range(WARM_UP):
            change(services, client, rng.choice(names), new, Result(0.0))
        meter = Meter(consul, pylb)
        for _ in range(settings.changes):
            change(services, client, rng.choice(names), new, result)
        result.changing = meter.take()
        meter = Meter(consul, pylb)
        time.sleep(settings.quiet)
        result.idle = meter.take()
        result.rss = pylb.rss()
        result.connections = sum(
            each.status == psutil.CONN_ESTABLISHED and bool(each.raddr) and each.raddr.port == consul.port
            for process in pylb.processes
            for each in process.net_connections("tcp")
        )
    return result


@dataclass(frozen=True)
class Ports:
    """The port for clients, and the admin endpoint."""

    client: int
    admin: Server


@contextmanager
def start(
    settings: Settings, consul: Server, names: list[str], cores: Sequence[int]
) -> Iterator[tuple[Server, Ports]]:
    """Run pylb in front of all services."""
    port, admin = free_port(), free_port()
    argv = [
        sys.executable,
        str(HERE / "launch.py"),
        "--consul",
        f"127.0.0.1:{consul.port}",
    ]
    argv += [part for name in names for part in ("--service", f"{name}={name}.example")]
    argv += [
        "--listen",
        f"127.0.0.1:{port}",
        "--admin",
        f"127.0.0.1:{admin}",
        "--workers",
        str(settings.workers),
    ]
    argv += ["--access-log", "off", "--log-level", "warning", "--policy", "round-robin"]
    argv += ["--slow-start", "0"]
    command = Command(argv, {"BENCH_OWN_QUERIES": str(settings.own)})
    with temporary_directory() as directory, serve("pylb", command, admin, directory, cores) as pylb:
        yield pylb, Ports(port, pylb)


def complete(ports: Ports, count: int) -> bool:
    """Return whether all services have all of their permanent instances."""
    with urllib.request.urlopen(f"{ports.admin.url}/ready", timeout=10) as answer:
        services = orjson.loads(answer.read())["services"]
    return len(services) == count and all(each["instances"] == STEADY for each in services.values())


def change(services: Services, client: Client, name: str, port: int, result: Result) -> None:
    """Register a temporary instance, make it critical and passing again, and deregister it."""

    def note(kind: str, seconds: float | None) -> None:
        result.changes += 1
        if seconds is None:
            result.lost += 1
        else:
            result.times.setdefault(kind, []).append(seconds)

    services.register(name, STEADY, port)
    note("registered", client.until(name, b"new"))
    if services.has_checks:
        services.register(name, STEADY, port, "critical")
        note("critical", client.until_not(name, b"new"))
        services.register(name, STEADY, port)
        note("passing", client.until(name, b"new"))
    services.deregister(name, STEADY)
    note("deregistered", client.until_not(name, b"new"))

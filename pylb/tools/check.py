"""`pylb check`: checks what `pylb serve` would need, without serving (as `nginx -t`).

It takes the options of `pylb serve` and checks them, the files that they name, the routes of all files and
keys together, and that the registry responds and shows the services. What instances declare is not checked,
since it concerns them alone. It binds no address, since a running pylb may have it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import ClassVar

from consul import ConsulException

from pylb.assembly.admin_access import access
from pylb.assembly.routes import FILE_RANK, check_of, check_routes, declarations, prefixes, route_files
from pylb.assembly.tls import read_certificates
from pylb.config import Options
from pylb.config.backends import BackendConnections
from pylb.config.kinds import FLAG
from pylb.config.option import Group, option
from pylb.config.sources import Consul, Docker
from pylb.control.route_sources import KEYS_RANK, joined
from pylb.control.routing import Routing
from pylb.discovery.routes.kv import RouteKeys
from pylb.discovery.snapshot_store import SnapshotStore
from pylb.errors import StartError, UsageError
from pylb.printable import printable
from pylb.proxy.upstream.tls import UpstreamTls
from pylb.routes.declaration import Declarations, ServiceDeclaration
from pylb.tools.doctor.gather import gather
from pylb.tools.doctor.rules import does_not_answer, hidden_instances, no_leader, token_refused

RULES = (does_not_answer, no_leader, token_refused, hidden_instances)
"""The rules of `pylb doctor` that concern the registry itself, and not what is registered."""


@dataclass(frozen=True, kw_only=True)
class Output(Group):
    """How the result is printed."""

    title: ClassVar = "Output"
    prefix: ClassVar = "PYLB_CHECK_"

    json: bool = option(
        FLAG, "off", "Print a JSON object with services, routes, and problems (each with what and problem)."
    )


@dataclass(frozen=True, kw_only=True)
class CheckOptions(Output, Options):
    """The options of `pylb check`: those of `pylb serve`, and how the result is printed."""

    prefix: ClassVar = Options.prefix


@dataclass(frozen=True, slots=True)
class Problem:
    """One error, or one declaration that would have no effect."""

    what: str
    """What was checked: `routes`, `certificates`, `registry`..."""
    problem: str
    """One line."""


@dataclass(frozen=True, slots=True)
class Result:
    """What `pylb serve` would find."""

    services: int
    routes: int
    problems: tuple[Problem, ...]

    def text(self) -> str:
        """The result as lines of text."""
        if not self.problems:
            return f"valid: {self.services} services, {self.routes} routes\n"
        return "".join(printable(f"{each.what}: {each.problem}") + "\n" for each in self.problems)

    def json(self) -> str:
        """The result as a JSON object."""
        problems = [{"what": each.what, "problem": each.problem} for each in self.problems]
        return json.dumps({"services": self.services, "routes": self.routes, "problems": problems}) + "\n"


def run(options: CheckOptions) -> int:
    """Check once and print the result; return 0 without problems, else 1.

    Raises:
        UsageError: options contradict each other, as for every command (2).
    """
    declarations(options)
    result = asyncio.run(check(options))
    sys.stdout.write(result.json() if options.json else result.text())
    return 1 if result.problems else 0


async def check(options: Options) -> Result:
    """Check the files, the routes and the registry."""
    problems = [*_files(options)]
    routing = Routing(options, NoPools())
    routing.replace(0, Declarations(declarations(options)))
    routing.replace(FILE_RANK, joined(file.read() for file in route_files(options)))
    registry = [problem async for problem in _registry(options, _discovered(options, routing))]
    if not registry:
        problems += [problem async for problem in _keys(options, routing)]
    if not problems:  # The first error of a file is reported above.
        problems += _routes(options, routing)
    declared = routing.declarations.values()
    return Result(len(declared), sum(len(each.routes) for each in declared), (*problems, *registry))


class NoPools:
    """Implements `control.routing.Services` for declarations from which nothing follows."""

    def add(self, declaration: ServiceDeclaration) -> None:
        """Do nothing."""

    def change(self, declaration: ServiceDeclaration) -> None:
        """Do nothing."""

    def remove(self, service: str) -> None:
        """Do nothing."""

    def has_state(self, service: str) -> bool:  # noqa: ARG002 - of the protocol
        """Return True: nothing waits for a pool."""
        return True

    def publish(self, changed: Mapping[str, ServiceDeclaration | None]) -> None:
        """Do nothing."""


def _files(options: Options) -> Iterator[Problem]:
    """Check all files that the options name."""
    checks: tuple[tuple[str, Callable[[], object]], ...] = (
        ("routes", lambda: check_routes(options)),
        ("certificates", lambda: read_certificates(options)),
        ("connections to backends", UpstreamTls(BackendConnections.of(options)).check_files),
        ("admin access", lambda: access(options)),
        ("state directory", lambda: options.state_dir and SnapshotStore(options.state_dir)),
    )
    for what, check in checks:
        try:
            check()
        except (UsageError, StartError) as error:
            yield Problem(what, str(error))


def _routes(options: Options, routing: Routing) -> Iterator[Problem]:
    """Check the routes and settings of all sources together, and the files of each service."""
    for problem in (*routing.problems, *routing.table.problems):
        yield Problem("routes", f"{problem.source}: {problem.text}")
    common = BackendConnections.of(options)
    for service in routing.declarations:
        connections = BackendConnections.of(routing.options(service))
        try:
            if connections != common:
                UpstreamTls(connections).check_files()
        except StartError as error:
            yield Problem("connections to backends", f"{service}: {error}")


async def _keys(options: Options, routing: Routing) -> AsyncIterator[Problem]:
    """Read the keys of all prefixes once; their own errors are problems of the routes."""
    declared = []
    for prefix in prefixes(options):
        keys = RouteKeys(Consul.of(options), prefix, KEYS_RANK, check_of(options))
        try:
            async with aclosing(keys.watch()) as responses:
                declared.append(await anext(responses))
        except ConsulException as error:
            yield Problem("routes", f"consul:{keys.prefix} cannot be read: {error}")
    routing.replace(KEYS_RANK, joined(declared))


def _discovered(options: Options, routing: Routing) -> list[str]:
    """Return the services whose instances the registry has."""
    if options.static is not None:
        return []
    return [each.service for each in routing.declarations.values() if each.needs_pool and not each.backends]


async def _registry(options: Options, services: list[str]) -> AsyncIterator[Problem]:
    """Check that the registry responds, accepts the token, and shows the services."""
    facts = await gather(
        consul_options=Consul.of(options) if options.consul else None,
        docker_options=Docker.of(options) if options.docker else None,
        services=services,
        connect=False,
    )
    for rule in RULES:
        for finding in rule(facts):
            cause = f", {finding.cause}" if rule is hidden_instances else ""
            yield Problem("registry", finding.what + cause)

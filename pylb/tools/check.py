"""`pylb check`: checks what `pylb serve` would need, without serving (as `nginx -t`).

It takes the options of `pylb serve` and checks them, the routes, the files that they name, and that the
registry responds. It binds no address, since a running pylb may have it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from pylb.assembly.admin_access import access
from pylb.assembly.routes import check_routes, declarations, route_files
from pylb.assembly.tls import read_certificates
from pylb.config import Options
from pylb.config.backends import BackendConnections
from pylb.config.kinds import FLAG
from pylb.config.option import Group, option
from pylb.config.sources import Consul, Docker
from pylb.discovery.snapshot_store import SnapshotStore
from pylb.errors import StartError, UsageError
from pylb.printable import printable
from pylb.proxy.upstream.tls import UpstreamTls
from pylb.tools.doctor.gather import gather
from pylb.tools.doctor.rules import does_not_answer, no_leader, token_refused

RULES = (does_not_answer, no_leader, token_refused)
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
    """One reason why pylb would not serve as it is told to."""

    what: str
    """What was checked: `routes`, `certificates`, `registry`..."""
    problem: str
    """One line."""


def run(options: CheckOptions) -> int:
    """Check once and print the result; return 0 without problems, else 1.

    Options that contradict each other are a usage error (2), as for every command.
    """
    problems = [*_local(options), *_registry(options)]
    services, routes = _declared(options) if not problems else (0, 0)
    if options.json:
        shown = [{"what": each.what, "problem": each.problem} for each in problems]
        sys.stdout.write(json.dumps({"services": services, "routes": routes, "problems": shown}) + "\n")
    elif problems:
        for each in problems:
            sys.stdout.write(printable(f"{each.what}: {each.problem}") + "\n")
    else:
        sys.stdout.write(f"valid: {services} services, {routes} routes\n")
    return 1 if problems else 0


def _local(options: Options) -> Iterator[Problem]:
    """Check the options and all files that they name."""
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


def _registry(options: Options) -> Iterator[Problem]:
    """Check that the registry responds, and accepts the token."""
    facts = asyncio.run(
        gather(
            consul_options=Consul.of(options) if options.consul else None,
            docker_options=Docker.of(options) if options.docker else None,
            services=[each.service for each in declarations(options)][:1],
        )
    )
    for rule in RULES:
        for finding in rule(facts):
            yield Problem("registry", finding.what)


def _declared(options: Options) -> tuple[int, int]:
    """Return the number of services and of routes that the options and files declare."""
    declared = [*declarations(options)]
    for file in route_files(options):
        declared += file.read().services
    return len({each.service for each in declared}), sum(len(each.routes) for each in declared)

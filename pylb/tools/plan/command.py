"""`pylb plan`: options, output and exit code."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any, ClassVar

from pylb.clients import admin
from pylb.config.kinds import ADDRESS, FILE, FLAG, Address, or_off, text
from pylb.config.option import Group, option, repeated
from pylb.errors import UsageError
from pylb.printable import printable
from pylb.routes.declaration import ServiceDeclaration
from pylb.routes.plain import declaration_of
from pylb.routes.replay import Comparison, Recorded, compare
from pylb.routes.table import RouteTable
from pylb.tools.plan.log import read_log
from pylb.tools.plan.proposal import proposed


@dataclass(frozen=True, kw_only=True)
class PlanOptions(Group):
    """The recorded requests, and the proposed routes."""

    title: ClassVar = "Plan"
    prefix: ClassVar = "PYLB_PLAN_"

    access_log_file: str | None = option(
        FILE,
        None,
        "Access log with the requests to replay. By default, the recent requests of the running pylb, which "
        "it records with --record-requests.",
    )
    admin: Address | None = option(
        or_off(ADDRESS),
        "127.0.0.1:8081",
        "The admin address of the running pylb, whose routes are the present ones; `off` compares with the "
        "services in the log only.",
    )
    routes: tuple[str, ...] = repeated(
        text("FILE", "the path of a TOML file"),
        None,
        "Proposed file of routes; it replaces the present routes of a file of the same name.",
    )
    service: tuple[str, ...] = repeated(
        text("'NAME[=ROUTE] ...'", "a service such as web, api=/api or 'api=/api strip=/api'"),
        None,
        "Proposed --service; if given, all present routes of that option are replaced.",
    )
    tag: tuple[str, ...] = repeated(
        text("SERVICE=TAG", "a service and a tag such as web=urlprefix-/web"),
        None,
        "Proposed tag of the instances of a service, in addition to the present routes.",
    )
    json: bool = option(
        FLAG, "off", "Print a JSON object with total, invalid, changed and the groups of differences."
    )

    def check(self) -> None:
        """Require recorded requests and a proposal."""
        super().check()
        if self.admin is None and self.access_log_file is None:
            raise UsageError("--admin off: expected --access-log-file FILE with it")
        if not (self.routes or self.service or self.tag):
            raise UsageError("expected proposed routes: --routes FILE, --service 'NAME=ROUTE' or --tag")


def run(options: PlanOptions) -> int:
    """Replay the requests and print the differences; return 0 if there are none, else 1.

    Raises:
        UsageError: a proposal or the log is invalid.
        StartError: no pylb responds.
    """
    present = _present(options)
    before: RouteTable[Any] | None = None if present is None else RouteTable(present, draw=_same)
    after: RouteTable[Any] = RouteTable(
        proposed(present or (), services=options.service, files=options.routes, tags=options.tag), draw=_same
    )
    made = compare(_requests(options), before, after)
    problems = [printable(problem.text) for problem in after.problems]
    sys.stdout.write(as_json(made, problems) if options.json else as_text(made, problems))
    return 1 if made.changed else 0


def as_text(made: Comparison, problems: list[str]) -> str:
    """The result as lines of text."""
    lines = [f"{made.changed} of {made.total} recorded requests would be treated differently"]
    if made.invalid:
        lines.append(f"{made.invalid} are invalid and were not compared")
    for group, count in made.groups.items():
        change = f"{group.before} -> {group.after}" if group.before or group.after else ""
        place = f"{group.host}{group.prefix}"
        lines.append(f"  {count:>8}  {group.kind:<17} {place:<32} {change}")
        lines.append(f"            for example {made.examples[group]}")
    lines += [f"problem of the proposed routes: {problem}" for problem in problems]
    return "".join(f"{printable(line)}\n" for line in lines)


def as_json(made: Comparison, problems: list[str]) -> str:
    """The result as a JSON object in ASCII."""
    groups = [
        {
            "kind": group.kind,
            "host": group.host,
            "prefix": group.prefix,
            "before": group.before,
            "after": group.after,
            "count": count,
            "example": made.examples[group],
        }
        for group, count in made.groups.items()
    ]
    shown: dict[str, Any] = {"total": made.total, "invalid": made.invalid, "changed": made.changed}
    return json.dumps({**shown, "groups": groups, "problems": problems}, indent=2) + "\n"


def _present(options: PlanOptions) -> list[ServiceDeclaration] | None:
    """Return the declarations of the running pylb; None if it is not asked."""
    if options.admin is None:
        return None
    found = admin.read(options.admin, "/api/declarations")
    return [declaration_of(each) for each in found["changed"].values()]


def _requests(options: PlanOptions) -> list[Recorded]:
    if options.access_log_file is not None or options.admin is None:
        return read_log(options.access_log_file or "")
    found = admin.read(options.admin, "/api/requests")
    if not found["recording"]:
        raise UsageError(
            "this pylb records no requests: start it with --record-requests 10000, or give "
            "--access-log-file FILE"
        )
    return [Recorded(*each) for each in found["requests"]]


def _same() -> float:
    """In place of a random number, so that both tables divide by weight in the same way."""
    return 0.5

"""`pylb doctor`: options, output and exit code."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar

from pylb.config.kinds import ADDRESS, FLAG, Address, or_off, text
from pylb.config.option import Group, option, repeated
from pylb.config.sources import Consul, Docker
from pylb.errors import UsageError
from pylb.printable import printable
from pylb.tools.doctor.facts import Finding
from pylb.tools.doctor.gather import gather
from pylb.tools.doctor.rules import diagnose

FOUND = 3
"""The exit code if there are findings. 1 and 2 mean that the check could not run."""


@dataclass(frozen=True, kw_only=True)
class Examination(Group):
    """What to check."""

    title: ClassVar = "Examination"

    service: tuple[str, ...] = repeated(
        text("NAME", "a service's name"),
        None,
        "A service to check. By default all services in Consul are checked.",
    )
    docker: bool = option(FLAG, "off", "Also check the containers of the Docker engine.")
    pylb: Address | None = option(
        or_off(ADDRESS), "127.0.0.1:8081", "The admin address of the pylb to check."
    )
    json: bool = option(
        FLAG, "off", "Print the findings as a JSON array of objects with rule, what, cause and cure."
    )


@dataclass(frozen=True, kw_only=True)
class DoctorOptions(Examination, Consul, Docker):
    """The options of `pylb doctor`."""

    prefix: ClassVar = "PYLB_DOCTOR_"

    def check(self) -> None:
        """Require something to check."""
        super().check()
        if not (self.consul or self.docker or self.pylb):
            raise UsageError("expected --consul HOST:PORT, --docker or --pylb ADDRESS")


def run(options: DoctorOptions) -> int:
    """Check once and print the findings. Returns 0 without findings, else `FOUND`."""
    facts = asyncio.run(
        gather(
            consul_options=Consul.of(options) if options.consul else None,
            docker_options=Docker.of(options) if options.docker else None,
            admin=options.pylb,
            services=options.service or None,
        )
    )
    findings = diagnose(facts)
    sys.stdout.write(as_json(findings) if options.json else as_text(findings))
    return FOUND if findings else 0


def as_text(findings: Sequence[Finding]) -> str:
    """The findings as text, three lines each; empty without findings."""
    return "\n".join(
        f"{printable(each.what)}\n  cause: {printable(each.cause)}\n  cure:  {printable(each.cure)}\n"
        for each in findings
    )


def as_json(findings: Sequence[Finding]) -> str:
    """The findings as a JSON array in ASCII; empty without findings."""
    return json.dumps([asdict(each) for each in findings], indent=2) + "\n"

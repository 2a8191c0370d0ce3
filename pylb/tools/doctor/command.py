"""`pylb doctor`: its options, its words, its exit code."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar

from pylb.assembly.sources.consul import consul_settings
from pylb.assembly.sources.docker import engine_settings
from pylb.config.kinds import ADDRESS, FLAG, Address, or_off, text
from pylb.config.option import Group, option, repeated
from pylb.config.sources import Consul, Docker
from pylb.errors import UsageError
from pylb.printable import printable
from pylb.tools.doctor.facts import Finding
from pylb.tools.doctor.gather import gather
from pylb.tools.doctor.rules import diagnose

FOUND = 3
"""The exit code when something was found; 1 and 2 say that nothing could be looked at."""


@dataclass(frozen=True, kw_only=True)
class Examination(Group):
    """What to look at."""

    title: ClassVar = "Examination"

    service: tuple[str, ...] = repeated(
        text("NAME", "a service's name"),
        None,
        "A service to look at; all that Consul knows, if none is given.",
    )
    docker: bool = option(FLAG, "off", "Look at the containers of the Docker engine too.")
    pylb: Address | None = option(
        or_off(ADDRESS), "127.0.0.1:8081", "The admin address of the pylb to look at."
    )
    json: bool = option(
        FLAG, "off", "Write the findings as JSON, one object each with rule, what, cause, cure."
    )


@dataclass(frozen=True, kw_only=True)
class DoctorOptions(Examination, Consul, Docker):
    """All that `pylb doctor` takes."""

    prefix: ClassVar = "PYLB_DOCTOR_"

    def check(self) -> None:
        """Refuse to look at nothing."""
        super().check()
        if not (self.consul or self.docker or self.pylb):
            raise UsageError("expected --consul HOST:PORT, --docker or --pylb ADDRESS: something to look at")


def run(options: DoctorOptions) -> int:
    """Look once, say what is wrong; return 0 if nothing is, else `FOUND`."""
    facts = asyncio.run(
        gather(
            consul_settings=consul_settings(options) if options.consul else None,
            engine_settings=engine_settings(options) if options.docker else None,
            admin=options.pylb,
            services=options.service,
        )
    )
    findings = diagnose(facts)
    sys.stdout.write(as_json(findings) if options.json else as_text(findings))
    return FOUND if findings else 0


def as_text(findings: Sequence[Finding]) -> str:
    """For people: three lines each; nothing at all if nothing is wrong."""
    return "\n".join(
        f"{printable(each.what)}\n  cause: {printable(each.cause)}\n  cure:  {printable(each.cure)}\n"
        for each in findings
    )


def as_json(findings: Sequence[Finding]) -> str:
    """For scripts: an array in ASCII, empty if nothing is wrong."""
    return json.dumps([asdict(each) for each in findings], indent=2) + "\n"

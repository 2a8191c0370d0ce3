"""What `pylb` itself takes: all groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pylb.config.backends import Balancing, Health, Retries, Timeouts, UpstreamTls
from pylb.config.clients import ClientAddress, Limits, Listen, Tls
from pylb.config.kinds import choice
from pylb.config.option import Group, option
from pylb.config.processes import Processes
from pylb.config.sources import Consul, Discovery, Docker
from pylb.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Logging(Group):
    """What is written down."""

    title: ClassVar = "Logging"

    access_log: str = option(
        choice("off", "combined", "json"), "off", "One line per request on standard output, in this form."
    )
    log_level: str = option(
        choice("debug", "info", "warning", "error"), "info", "The least important message on standard error."
    )


@dataclass(frozen=True, kw_only=True)
class Options(
    Discovery,
    Consul,
    Docker,
    Listen,
    Tls,
    ClientAddress,
    Balancing,
    UpstreamTls,
    Retries,
    Health,
    Timeouts,
    Limits,
    Processes,
    Logging,
):
    """All that `pylb` takes."""

    def check(self) -> None:
        """Refuse to start with nothing to balance.

        Raises:
            UsageError: neither Consul nor fixed backends, or a registry but no service to look up in it.
        """
        super().check()
        if not self.static and not self.consul and not self.docker:
            raise UsageError(
                "expected --consul HOST:PORT and --service NAME, or --static HOST:PORT,...; "
                "see pylb --help, or try pylb demo"
            )
        if not self.static and not self.service:
            where = "among the containers" if self.docker else "in Consul"
            raise UsageError(f"expected --service NAME: the service {where} to balance")

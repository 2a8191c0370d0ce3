"""The options of `pylb serve`: all groups, and the checks across groups."""

from __future__ import annotations

from dataclasses import dataclass

from pylb.config.backends import BackendConnections, PoolOptions, Timeouts
from pylb.config.clients import ClientAddress, Http2, Limits, Listen, Tls
from pylb.config.processes import Processes
from pylb.config.records import AccessLog, Logging, Traces
from pylb.config.registration import Registration
from pylb.config.routing import CONSUL_PREFIX, RouteOptions
from pylb.config.sources import AUTO, Consul, Discovery, Docker
from pylb.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Options(
    Discovery,
    RouteOptions,
    Consul,
    Docker,
    Registration,
    Listen,
    Tls,
    ClientAddress,
    PoolOptions,
    BackendConnections,
    Timeouts,
    Limits,
    Http2,
    Processes,
    AccessLog,
    Traces,
    Logging,
):
    """The options of `pylb serve`."""

    def check(self) -> None:
        """Reject options without a service to balance, and an impossible registration.

        Raises:
            UsageError: there is no source of backends, no service to look up, or no port to register.
        """
        super().check()
        if self.catalog and not self.consul and not self.docker:
            raise UsageError("--catalog: expected --consul HOST:PORT or --docker with it")
        if not self.static and not self.consul and not self.docker and not self.routes:
            raise UsageError(
                "expected --consul HOST:PORT and --service NAME, or --static HOST:PORT,...; "
                "see pylb --help, or try pylb demo"
            )
        if self.zone == AUTO and not self.consul:
            raise UsageError("--zone auto: expected --consul HOST:PORT with it, or the name of a zone")
        if self.catalog and self.static:
            raise UsageError("--catalog: expected it without --static; a file of --routes has fixed backends")
        for each in self.routes:
            if each.startswith(CONSUL_PREFIX) and not self.consul:
                raise UsageError(f"--routes {each}: expected --consul HOST:PORT with it")
        if not self.static and not self.service and not self.catalog and not self.routes:
            where = "among the containers" if self.docker else "in Consul"
            raise UsageError(f"expected --service NAME: the service {where} to balance")
        if self.register:
            self._check_registration(self.register)

    def _check_registration(self, name: str) -> None:
        if not self.consul:
            raise UsageError(f"--register {name}: expected --consul HOST:PORT with it")
        given = self.register_address and self.register_address.port
        if not given and not (*self.listen, *self.listen_tls)[0].port:
            raise UsageError(f"--register {name}: expected --listen with a port other than 0")
        if name in (service.partition("=")[0] for service in self.service):
            raise UsageError(f"--register {name}: expected another name: pylb would balance over itself")

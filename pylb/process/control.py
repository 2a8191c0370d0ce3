"""The control plane: one watch per service, however many workers follow it."""

from __future__ import annotations

from collections.abc import Callable

from pylb.clients.consul import ConsulSettings
from pylb.config import Options
from pylb.discovery.consul import ConsulProvider
from pylb.discovery.guard import Guard
from pylb.discovery.provider import Provider
from pylb.discovery.static import StaticProvider, parse_static
from pylb.discovery.status import WatchStatus
from pylb.discovery.watch import Watch
from pylb.model import Snapshot
from pylb.process.lifecycle import Owner, spawn


def consul_settings(options: Options) -> ConsulSettings:
    """How to reach Consul, as the options say."""
    return ConsulSettings(
        url=str(options.consul_url),
        datacenter=options.datacenter,
        namespace=options.namespace,
        partition=options.partition,
        consistency=options.consistency,
        token=options.token,
        token_file=options.token_file,
        auth=options.consul_auth,
        verify=options.consul_verify,
        ca=options.consul_ca,
        cert=options.consul_cert,
        key=options.consul_key,
        server_name=options.consul_tls_server_name,
    )


class Control:
    """Runs the watches and passes on what they deliver.

    Args:
        options: what the user wants.
        services: the services to watch.
        deliver: takes each snapshot that differs from the one before.
    """

    def __init__(self, options: Options, services: list[str], deliver: Callable[[Snapshot], object]) -> None:
        self.watches = {service: self._watch(options, service, deliver) for service in services}

    @staticmethod
    def _watch(options: Options, service: str, deliver: Callable[[Snapshot], object]) -> Watch:
        status = WatchStatus(service)
        provider: Provider
        if options.static is not None:
            provider = StaticProvider(service, parse_static(service, options.static))
        else:
            provider = ConsulProvider(
                consul_settings(options),
                service,
                status=status,
                tags=options.tag,
                warning_ok=options.warning_ok,
            )

        def take(snapshot: Snapshot) -> None:
            deliver(snapshot)

        return Watch(
            provider, take, status=status, guard=Guard(status.guards, empty_guard=options.empty_guard)
        )

    def start(self, owner: Owner) -> None:
        """Start watching; it goes on until the owner ends."""
        for service, watch in self.watches.items():
            spawn(watch.run(), name=f"watch {service}", owner=owner)

"""Builds the Consul client settings and provider from options."""

from __future__ import annotations

from pylb.clients.consul import ConsulSettings
from pylb.config import Options
from pylb.config.sources import Consul
from pylb.discovery.sources.consul.feed import ConsulFeed
from pylb.discovery.sources.consul.provider import ConsulProvider
from pylb.discovery.status import DiscoveryStatus


def consul_settings(options: Consul) -> ConsulSettings:
    """The settings of connections to Consul."""
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


class Source:
    """A Consul agent.

    Args:
        options: the options of pylb.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._feed = ConsulFeed(consul_settings(options))
        self.run = self._feed.run

    def provider(self, service: str, status: DiscoveryStatus) -> ConsulProvider:
        """Return the provider that watches a service in Consul."""
        options = self._options
        return ConsulProvider(
            self._feed, service, status=status, tags=options.tag, include_warning=options.include_warning
        )

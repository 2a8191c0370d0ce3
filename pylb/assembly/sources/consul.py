"""Builds the Consul provider from options."""

from __future__ import annotations

from pylb.clients.consul_agent import ConsulAgent
from pylb.config import Options
from pylb.config.sources import Consul
from pylb.discovery.sources.consul.feed import ConsulFeed
from pylb.discovery.sources.consul.health import ZONE
from pylb.discovery.sources.consul.provider import ConsulProvider
from pylb.discovery.status import DiscoveryStatus


class Source:
    """A Consul agent.

    Args:
        options: the options of pylb.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._feed = ConsulFeed(Consul.of(options), follows_names=options.catalog)
        self.run = self._feed.run
        self.names = self._feed.names

    async def zone(self) -> str:
        """Return the zone of the agent's node; empty if its metadata has none.

        Raises:
            ConsulError: no usable answer.
        """
        return (await ConsulAgent(self._feed.client).meta()).get(ZONE, "")

    def provider(self, service: str, status: DiscoveryStatus) -> ConsulProvider:
        """Return the provider that watches a service in Consul."""
        options = self._options
        return ConsulProvider(
            self._feed, service, status=status, tags=options.tag, include_warning=options.include_warning
        )

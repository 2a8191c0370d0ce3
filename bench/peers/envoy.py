"""Envoy."""

from __future__ import annotations

from bench.peers.peer import TEMPLATES, Peer, Site
from bench.server import Command
from bench.template import render


class Envoy(Peer):
    """See https://www.envoyproxy.io."""

    def command(self, site: Site) -> Command:
        """Run one worker thread, without the shared memory that a hot restart would need."""
        endpoints = "\n".join(
            f"        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}"
            for port in site.origins
        )
        config = render(TEMPLATES / "envoy.yaml", site.directory, port=site.port, endpoints=endpoints)
        options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
        return Command([str(self.source.locate()), "-c", str(config), *options])

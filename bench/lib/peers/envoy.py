"""Envoy."""

from __future__ import annotations

from bench.lib.peers.peer import TEMPLATES, Peer, Site
from bench.lib.server import Command
from bench.lib.template import AtTemplate, render
from bench.lib.workload import service_host


class Envoy(Peer):
    """See https://www.envoyproxy.io."""

    def command(self, site: Site) -> Command:
        """Run one worker thread, without the shared memory of hot restarts."""
        endpoints = "\n".join(
            f"        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}"
            for port in site.origins
        )
        host, cluster = (
            AtTemplate((TEMPLATES / name).read_text()) for name in ("envoy-host.yaml", "envoy-cluster.yaml")
        )
        numbers = range(1, site.services + 1)
        hosts = ["*", *map(service_host, numbers[1:])]
        config = render(
            TEMPLATES / "envoy.yaml",
            site.directory,
            port=site.port,
            tls_port=site.tls_port,
            certificate=site.certificate,
            hosts="".join(host.substitute(number=n, host=name) for n, name in enumerate(hosts, 1)),
            clusters="".join(cluster.substitute(number=n, endpoints=endpoints) for n in numbers),
        )
        options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
        return Command([str(self.source.locate()), "-c", str(config), *options])

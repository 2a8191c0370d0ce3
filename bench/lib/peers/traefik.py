"""Traefik."""

from __future__ import annotations

from bench.lib.peers.peer import TEMPLATES, Peer, Site
from bench.lib.server import Command
from bench.lib.template import render
from bench.lib.workload import service_host


class Traefik(Peer):
    """See https://traefik.io."""

    version_option = "version"

    def command(self, site: Site) -> Command:
        """Write the static and the dynamic configuration.

        Go uses one thread, because the proxy has one core.
        """
        rules = ["PathPrefix(`/`)"]
        rules += [f"Host(`{service_host(number)}`)" for number in range(2, site.services + 1)]
        routers = [
            f'    web-{number}: {{rule: "{rule}", service: web-{number}}}'
            for number, rule in enumerate(rules, 1)
        ]
        servers = ", ".join(f'{{url: "http://127.0.0.1:{port}"}}' for port in site.origins)
        services = [
            f"    web-{number}: {{loadBalancer: {{servers: [{servers}]}}}}"
            for number in range(1, site.services + 1)
        ]
        routes = render(
            TEMPLATES / "traefik-routes.yaml",
            site.directory,
            certificate=site.certificate,
            routers="\n".join(routers),
            services="\n".join(services),
        )
        config = render(
            TEMPLATES / "traefik.yaml", site.directory, port=site.port, tls_port=site.tls_port, routes=routes
        )
        return Command([str(self.source.locate()), f"--configFile={config}"])

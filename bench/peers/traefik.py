"""Traefik."""

from __future__ import annotations

from bench.peers.peer import TEMPLATES, Peer, Site
from bench.server import Command
from bench.template import render


class Traefik(Peer):
    """See https://traefik.io."""

    version_option = "version"

    def command(self, site: Site) -> Command:
        """Static and dynamic configuration as files. Go takes as many threads as it has cores: one."""
        servers = "\n".join(f'        - url: "http://127.0.0.1:{port}"' for port in site.origins)
        routes = render(TEMPLATES / "traefik-routes.yaml", site.directory, servers=servers)
        config = render(TEMPLATES / "traefik.yaml", site.directory, port=site.port, routes=routes)
        return Command([str(self.source.locate()), f"--configFile={config}"])

"""Caddy."""

from __future__ import annotations

from bench.lib.peers.peer import TEMPLATES, Peer, Site
from bench.lib.server import Command
from bench.lib.template import render
from bench.lib.workload import service_host


class Caddy(Peer):
    """See https://caddyserver.com."""

    version_option = "version"

    def command(self, site: Site) -> Command:
        """Keep its state in the site's directory. Go uses one thread, because the proxy has one core."""
        origins = " ".join(f"127.0.0.1:{port}" for port in site.origins)
        hosts = ["", *(service_host(number) for number in range(2, site.services + 1))]
        config = render(
            TEMPLATES / "Caddyfile",
            site.directory,
            tls_port=site.tls_port,
            certificate=site.certificate,
            origins=origins,
            services="\n".join(f"http://{host}:{site.port} {{\n\timport web\n}}" for host in hosts),
        )
        home = {name: str(site.directory) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
        argv = [str(self.source.locate()), "run", "--config", str(config), "--adapter", "caddyfile"]
        return Command(argv, home)

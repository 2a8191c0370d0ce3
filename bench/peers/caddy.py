"""Caddy."""

from __future__ import annotations

from bench.peers.peer import TEMPLATES, Peer, Site
from bench.server import Command
from bench.template import render


class Caddy(Peer):
    """See https://caddyserver.com."""

    version_option = "version"

    def command(self, site: Site) -> Command:
        """Its state goes into the site's directory. Go takes as many threads as it has cores: one."""
        origins = " ".join(f"127.0.0.1:{port}" for port in site.origins)
        config = render(TEMPLATES / "Caddyfile", site.directory, port=site.port, origins=origins)
        home = {name: str(site.directory) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
        argv = [str(self.source.locate()), "run", "--config", str(config), "--adapter", "caddyfile"]
        return Command(argv, home)

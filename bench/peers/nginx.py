"""nginx: the distribution's, and the current one."""

from __future__ import annotations

import getpass

from bench.peers.peer import TEMPLATES, Peer, Site
from bench.server import Command
from bench.template import render


class Nginx(Peer):
    """See https://nginx.org."""

    version_option = "-v"
    speaks_tls = True

    def command(self, site: Site) -> Command:
        """Run in the foreground, with all of its files in the site's directory."""
        servers = "\n        ".join(f"server 127.0.0.1:{port};" for port in site.origins)
        config = render(
            TEMPLATES / "nginx.conf",
            site.directory,
            port=site.port,
            tls_port=site.tls_port,
            certificate=site.certificate,
            servers=servers,
            user=getpass.getuser(),
        )
        return Command([str(self.source.locate()), "-p", str(site.directory), "-c", str(config)])

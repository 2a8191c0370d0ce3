"""HAProxy."""

from __future__ import annotations

from bench.peers.peer import TEMPLATES, Peer, Site
from bench.server import Command
from bench.template import render


class HAProxy(Peer):
    """See https://www.haproxy.org."""

    version_option = "-v"
    speaks_tls = True

    def command(self, site: Site) -> Command:
        """Run in the foreground (`-db`)."""
        servers = "\n".join(
            f"    server web-{number} 127.0.0.1:{port}" for number, port in enumerate(site.origins, 1)
        )
        config = render(
            TEMPLATES / "haproxy.cfg",
            site.directory,
            port=site.port,
            tls_port=site.tls_port,
            certificate=site.certificate,
            servers=servers,
        )
        return Command([str(self.source.locate()), "-db", "-f", str(config)])

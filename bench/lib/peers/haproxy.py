"""HAProxy."""

from __future__ import annotations

from bench.lib.peers.peer import TEMPLATES, Peer, Site
from bench.lib.server import Command
from bench.lib.template import render
from bench.lib.workload import service_host


class HAProxy(Peer):
    """See https://www.haproxy.org."""

    version_option = "-v"

    def command(self, site: Site) -> Command:
        """Run in the foreground (`-db`). With several services, a map selects the backend by host name."""
        servers = "\n".join(
            f"    server web-{number} 127.0.0.1:{port}" for number, port in enumerate(site.origins, 1)
        )
        numbers = range(1, site.services + 1)
        backends = [f"backend web-{number}\n    balance leastconn\n{servers}\n" for number in numbers]
        hosts = site.directory / "hosts.map"
        hosts.write_text("".join(f"{service_host(number)} web-{number}\n" for number in numbers))
        routing = f"use_backend %[req.hdr(host),lower,map({hosts},web-1)]" if site.services > 1 else ""
        config = render(
            TEMPLATES / "haproxy.cfg",
            site.directory,
            port=site.port,
            tls_port=site.tls_port,
            certificate=site.certificate,
            routing=routing,
            backends="\n".join(backends),
        )
        return Command([str(self.source.locate()), "-db", "-f", str(config)])

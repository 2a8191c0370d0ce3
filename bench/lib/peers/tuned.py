"""The same proxies, told what to do about backends that fail: as far as their documentation advises it."""

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
"""By name. pylb is not among them: it has its defaults."""

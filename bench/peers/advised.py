"""The same proxies, told what to do about backends that fail: as far as their documentation advises it."""

from __future__ import annotations

from bench.peers.envoy_static import ENVOY, EnvoyStatic
from bench.peers.follower import (
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
from bench.peers.peer import TEMPLATES

TAGS = [line for line in (TEMPLATES / "traefik-advised.tags").read_text().splitlines() if line[0] != "#"]

ADVISED: dict[str, Follower] = {
    follower.name: follower
    for follower in (
        NginxReloaded("nginx-advised", NGINX, template="nginx-consul-advised.conf"),
        HAProxyDns("haproxy-advised", HAPROXY, template="haproxy-consul-advised.cfg"),
        TraefikCatalog("traefik-advised", TRAEFIK, template="traefik-consul-advised.yaml", tags=TAGS),
        CaddySrv("caddy-advised", CADDY, template="Caddyfile-consul-advised"),
        EnvoyStatic("envoy-advised", ENVOY, template="envoy-static-advised.yaml"),
    )
}
"""By name. pylb is not among them: it has its defaults."""

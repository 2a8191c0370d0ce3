"""Options of clients, from the URL at which a test's registry or engine listens."""

from typing import Any

from pylb.config.kinds import CONSUL, DOCKER
from pylb.config.sources import Consul, Docker


def consul_at(url: str = "127.0.0.1:8500", **options: Any) -> Consul:
    return Consul(consul=CONSUL.parse(url), **options)


def docker_at(url: str, **options: Any) -> Docker:
    return Docker(docker_host=DOCKER.parse(url), **options)

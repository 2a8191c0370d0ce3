"""Options for the source of backends: the services to balance, and how to reach Consul or a Docker engine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from pylb.config.kinds import CONSUL, DOCKER, DURATION_OR_ZERO, FILE, FLAG, HOST, PATH, Url, choice, text
from pylb.config.option import Group, option, repeated
from pylb.errors import UsageError

AUTO = "auto"
"""The value of `--zone` that reads the zone of the Consul agent's node."""


@dataclass(frozen=True, kw_only=True)
class Discovery(Group):
    """The services to balance and the source of their backends."""

    title: ClassVar = "Discovery"

    service: tuple[str, ...] = repeated(
        text("'NAME[=ROUTE] ...'", "a service such as web, api=/api or 'api=/api strip=/api'"),
        None,
        "Service to balance, and its requests: `web` receives all, `api=/api` those below a path, "
        "`shop=shop.example.com/cart` those of a host and path. Keys that can follow: docs/routes.md.",
    )
    static: str | None = option(
        text("BACKENDS", "backends such as 10.0.0.1:80,10.0.0.2:80;weight=3"),
        None,
        "Fixed backends instead of a registry: `10.0.0.1:80,10.0.0.2:80;weight=3`.",
    )
    docker: bool = option(
        FLAG,
        "off",
        "Discover instances among the containers of a Docker engine instead of in a registry.",
    )
    project: str | None = option(
        text("NAME", "a Compose project's name"),
        None,
        "With --docker, use only containers of this Compose project. By default, containers of all projects "
        "are used.",
    )
    tag: tuple[str, ...] = repeated(
        text("TAG", "a tag"),
        None,
        "Use only instances with this tag; if repeated, instances need all tags. By default, tags are "
        "ignored.",
    )
    include_warning: bool = option(
        FLAG,
        "off",
        "Also send requests to instances in state warning, at the weight that they register for it. By "
        "default, only passing instances receive requests.",
    )
    zone: str | None = option(
        text("NAME|auto", "a zone's name, or auto"),
        None,
        "Zone whose instances (lb_zone, or the zone of their Consul node) are preferred while enough of "
        "them are healthy; `auto` uses that of the Consul agent's node. By default, zones have no effect.",
    )
    state_dir: str | None = option(
        PATH,
        None,
        "Directory for the last known backends of each service, so that pylb can start and serve while the "
        "registry is down. It is created if missing. By default, nothing is stored.",
    )
    empty_guard: float = option(
        DURATION_OR_ZERO,
        "10s",
        "If the registry suddenly lists no instances of a service, keep the last known ones for this long; 0 "
        "applies an empty list immediately.",
    )


@dataclass(frozen=True, kw_only=True)
class Consul(Group):
    """How to reach and query Consul; the variables of Consul's own client are accepted as well."""

    title: ClassVar = "Consul"
    shared: ClassVar = True

    consul: Url | None = option(
        CONSUL,
        None,
        "Address of Consul's HTTP API.",
        fallbacks=("CONSUL_HTTP_ADDR",),
    )
    datacenter: str | None = option(
        text("NAME", "a name"), None, "Datacenter to query. Defaults to the datacenter of the Consul agent."
    )
    namespace: str | None = option(
        text("NAME", "a name"),
        None,
        "Namespace to query (Consul Enterprise). By default, none is sent.",
        fallbacks=("CONSUL_NAMESPACE",),
    )
    partition: str | None = option(
        text("NAME", "a name"),
        None,
        "Admin partition to query (Consul Enterprise). By default, none is sent.",
        fallbacks=("CONSUL_PARTITION",),
    )
    consistency: str = option(
        choice("default", "stale", "consistent"),
        "default",
        "Consistency mode of queries: `default` reads from the leader, `stale` from any server, "
        "`consistent` from a leader that a quorum has confirmed.",
    )
    token: str | None = option(
        text("TOKEN", "a token"),
        None,
        "ACL token. Other users can read a command line: prefer --token-file or the environment. By default, "
        "requests are anonymous.",
        fallbacks=("CONSUL_HTTP_TOKEN",),
        secret=True,
    )
    token_file: str | None = option(
        PATH,
        None,
        "File with the ACL token; takes precedence over --token. pylb reads it again when it changes.",
        fallbacks=("CONSUL_HTTP_TOKEN_FILE",),
    )
    consul_auth: str | None = option(
        text("USER:PASSWORD", "user:password"),
        None,
        "Credentials for HTTP basic authentication, for a Consul behind a proxy that requires it.",
        fallbacks=("CONSUL_HTTP_AUTH",),
        secret=True,
    )
    consul_tls: bool = option(
        FLAG, "off", "Connect to Consul over TLS, as for an https:// URL.", fallbacks=("CONSUL_HTTP_SSL",)
    )
    consul_verify: bool = option(
        FLAG, "on", "Verify Consul's certificate and host name.", fallbacks=("CONSUL_HTTP_SSL_VERIFY",)
    )
    consul_ca: str | None = option(
        FILE,
        None,
        "CA bundle, a file or a directory, used to verify Consul's certificate. Defaults to the system's.",
        fallbacks=("CONSUL_CACERT", "CONSUL_CAPATH"),
    )
    consul_cert: str | None = option(
        FILE,
        None,
        "PEM client certificate for connections to Consul; requires --consul-key. By default, none is sent.",
        fallbacks=("CONSUL_CLIENT_CERT", "CONSUL_TLSCERT"),
    )
    consul_key: str | None = option(
        FILE, None, "PEM private key of --consul-cert.", fallbacks=("CONSUL_CLIENT_KEY", "CONSUL_TLSKEY")
    )
    consul_tls_server_name: str | None = option(
        HOST,
        None,
        "Name that Consul's certificate must contain, and the SNI. Defaults to the host of --consul.",
        fallbacks=("CONSUL_TLS_SERVER_NAME",),
    )

    @property
    def consul_url(self) -> Url | None:
        """The address of Consul's API, with the scheme that `--consul-tls` implies."""
        if self.consul_tls and self.consul and self.consul.scheme == "http":
            return replace(self.consul, scheme="https")
        return self.consul

    def check(self) -> None:
        """Reject a certificate without its key and a key without its certificate."""
        super().check()
        if bool(self.consul_cert) != bool(self.consul_key):
            given, missing = ("cert", "key") if self.consul_cert else ("key", "cert")
            raise UsageError(f"--consul-{given}: expected --consul-{missing} with it")


@dataclass(frozen=True, kw_only=True)
class Docker(Group):
    """How to reach a Docker engine; the variables of Docker's own client are accepted as well."""

    title: ClassVar = "Docker"
    shared: ClassVar = True

    docker_host: Url = option(
        DOCKER,
        "unix:///var/run/docker.sock",
        "Address of the Docker engine's API. With --docker-tls, a tcp:// address is reached over https.",
        fallbacks=("DOCKER_HOST",),
    )
    docker_tls: bool = option(
        FLAG,
        "off",
        "Connect to the engine over TLS, with the files in --docker-certs.",
        fallbacks=("DOCKER_TLS_VERIFY",),
    )
    docker_certs: str | None = option(
        FILE,
        None,
        "Directory with ca.pem, cert.pem and key.pem; required by --docker-tls.",
        fallbacks=("DOCKER_CERT_PATH",),
    )
    network: str | None = option(
        text("NAME", "a network's name"),
        None,
        "Docker network whose addresses are used, for containers in several networks.",
    )

    def check(self) -> None:
        """Reject TLS without certificates."""
        super().check()
        if self.docker_tls and not self.docker_certs:
            raise UsageError("--docker-tls: expected --docker-certs with it")

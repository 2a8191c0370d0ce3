"""Where backends come from: which services, and how to reach the registry or engine that knows them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from pylb.config.kinds import CONSUL, DOCKER, DURATION_OR_ZERO, FILE, FLAG, HOST, PATH, Url, choice, text
from pylb.config.option import Group, option, repeated
from pylb.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Discovery(Group):
    """Which backends there are."""

    title: ClassVar = "Discovery"

    service: tuple[str, ...] = repeated(
        text("NAME[=[HOST][/PATH]]", "a service such as web, api=/api or shop=shop.example.com/cart"),
        None,
        "A service to balance, and which requests are for it: `web` takes all, `api=/api` a path, "
        "`shop=shop.example.com/cart` a path of one host.",
    )
    static: str | None = option(
        text("BACKENDS", "backends such as 10.0.0.1:80,10.0.0.2:80;weight=3"),
        None,
        "Backends written down instead of looked up: `10.0.0.1:80,10.0.0.2:80;weight=3`.",
    )
    docker: bool = option(
        FLAG, "off", "Look services up among the containers of a Docker engine, without any registry."
    )
    project: str | None = option(
        text("NAME", "a Compose project's name"),
        None,
        "With --docker, only containers of this Compose project; if not given, those of all projects.",
    )
    tag: tuple[str, ...] = repeated(
        text("TAG", "a tag"), None, "Only instances that carry this tag; given twice, both are needed."
    )
    include_warning: bool = option(
        FLAG, "off", "Send requests to instances whose checks warn too, by their weight for that state."
    )
    state_dir: str | None = option(
        PATH,
        None,
        "A directory where the last known backends of each service are kept, so that pylb can start and "
        "serve while the registry is down; made if it is not there.",
    )
    empty_guard: float = option(
        DURATION_OR_ZERO,
        "10s",
        "How long a service that is suddenly without instances keeps its last ones, in case the registry is "
        "only confused; 0 believes every answer at once.",
    )


@dataclass(frozen=True, kw_only=True)
class Consul(Group):
    """How to reach and read Consul; its own client's variables are honoured."""

    title: ClassVar = "Consul"
    shared: ClassVar = True

    consul: Url | None = option(CONSUL, None, "Where Consul's HTTP API is.", fallbacks=("CONSUL_HTTP_ADDR",))
    datacenter: str | None = option(
        text("NAME", "a name"), None, "The datacenter to ask for; Consul's own if not given."
    )
    namespace: str | None = option(
        text("NAME", "a name"),
        None,
        "The namespace to ask for (Consul Enterprise).",
        fallbacks=("CONSUL_NAMESPACE",),
    )
    partition: str | None = option(
        text("NAME", "a name"),
        None,
        "The admin partition to ask for (Consul Enterprise).",
        fallbacks=("CONSUL_PARTITION",),
    )
    consistency: str = option(
        choice("default", "stale", "consistent"),
        "default",
        "How sure an answer must be: the leader's, any server's, or one confirmed by a quorum.",
    )
    token: str | None = option(
        text("TOKEN", "a token"),
        None,
        "The ACL token; other users can see a command line, so prefer --token-file or the environment.",
        fallbacks=("CONSUL_HTTP_TOKEN",),
        secret=True,
    )
    token_file: str | None = option(
        PATH,
        None,
        "A file with the ACL token, read again when it changes; goes before --token.",
        fallbacks=("CONSUL_HTTP_TOKEN_FILE",),
    )
    consul_auth: str | None = option(
        text("USER:PASSWORD", "user:password"),
        None,
        "HTTP basic authentication, for a Consul behind a proxy that wants it.",
        fallbacks=("CONSUL_HTTP_AUTH",),
        secret=True,
    )
    consul_tls: bool = option(
        FLAG, "off", "Speak TLS to Consul; the same as an https:// URL.", fallbacks=("CONSUL_HTTP_SSL",)
    )
    consul_verify: bool = option(
        FLAG, "on", "Check Consul's certificate and name.", fallbacks=("CONSUL_HTTP_SSL_VERIFY",)
    )
    consul_ca: str | None = option(
        FILE,
        None,
        "A file or directory of PEM certificates that Consul's must be signed by; the system's if not given.",
        fallbacks=("CONSUL_CACERT", "CONSUL_CAPATH"),
    )
    consul_cert: str | None = option(
        FILE,
        None,
        "The PEM certificate to show to Consul.",
        fallbacks=("CONSUL_CLIENT_CERT", "CONSUL_TLSCERT"),
    )
    consul_key: str | None = option(
        FILE, None, "The PEM key of --consul-cert.", fallbacks=("CONSUL_CLIENT_KEY", "CONSUL_TLSKEY")
    )
    consul_tls_server_name: str | None = option(
        HOST,
        None,
        "The name that Consul's certificate must carry, where it is not the host's.",
        fallbacks=("CONSUL_TLS_SERVER_NAME",),
    )

    @property
    def consul_url(self) -> Url | None:
        """Where Consul's API is, `--consul-tls` taken into account."""
        if self.consul_tls and self.consul and self.consul.scheme == "http":
            return replace(self.consul, scheme="https")
        return self.consul

    def check(self) -> None:
        """Refuse a certificate without its key and a key without its certificate."""
        super().check()
        if bool(self.consul_cert) != bool(self.consul_key):
            given, missing = ("cert", "key") if self.consul_cert else ("key", "cert")
            raise UsageError(f"--consul-{given}: expected --consul-{missing} with it")


@dataclass(frozen=True, kw_only=True)
class Docker(Group):
    """How to reach a Docker engine; its own client's variables are honoured."""

    title: ClassVar = "Docker"
    shared: ClassVar = True

    docker_host: Url = option(
        DOCKER,
        "unix:///var/run/docker.sock",
        "Where the engine's API is; https where --docker-tls is on.",
        fallbacks=("DOCKER_HOST",),
    )
    docker_tls: bool = option(
        FLAG,
        "off",
        "Speak TLS to the engine, with the files of --docker-certs.",
        fallbacks=("DOCKER_TLS_VERIFY",),
    )
    docker_certs: str | None = option(
        FILE,
        None,
        "A directory with ca.pem, cert.pem and key.pem for --docker-tls.",
        fallbacks=("DOCKER_CERT_PATH",),
    )
    network: str | None = option(
        text("NAME", "a network's name"),
        None,
        "The Docker network whose addresses count, for containers that are on several.",
    )

    def check(self) -> None:
        """Refuse TLS without certificates."""
        super().check()
        if self.docker_tls and not self.docker_certs:
            raise UsageError("--docker-tls: expected --docker-certs with it")

"""What can be set, group by group, and what `pylb` itself takes: all groups."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from pylb.config.kinds import (
    ADDRESS,
    CONSUL,
    DOCKER,
    DURATION,
    DURATION_OR_ZERO,
    FILE,
    FLAG,
    NETWORK,
    PATH,
    SIZE,
    SIZE_OR_OFF,
    Address,
    Url,
    choice,
    integer,
    integer_or_off,
    or_off,
    some_of,
    text,
)
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
    tag: tuple[str, ...] = repeated(
        text("TAG", "a tag"), None, "Only instances that carry this tag; given twice, both are needed."
    )
    warning_ok: bool = option(
        FLAG, "off", "Send requests to instances whose checks warn too, by their weight for that state."
    )
    empty_guard: float = option(
        DURATION_OR_ZERO,
        "10s",
        "How long a service that is suddenly without instances keeps its last ones, in case the registry is "
        "only confused; 0 believes it at once.",
    )


@dataclass(frozen=True, kw_only=True)
class Consul(Group):
    """How to reach and read Consul; its own client's variables are honoured."""

    title: ClassVar = "Consul"

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
        FILE, None, "The PEM certificate to show to Consul.", fallbacks=("CONSUL_CLIENT_CERT",)
    )
    consul_key: str | None = option(
        FILE, None, "The PEM key of --consul-cert.", fallbacks=("CONSUL_CLIENT_KEY",)
    )
    consul_tls_server_name: str | None = option(
        text("NAME", "a name"),
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


@dataclass(frozen=True, kw_only=True)
class Listen(Group):
    """Where clients and operators connect."""

    title: ClassVar = "Listen"

    listen: tuple[Address, ...] = repeated(ADDRESS, "0.0.0.0:8080", "Where to take requests.")
    admin: Address | None = option(
        or_off(ADDRESS),
        "127.0.0.1:8081",
        "Where to serve the dashboard, the API, /health, /ready and /metrics.",
    )
    admin_token: str | None = option(
        text("TOKEN", "a token"),
        None,
        "What whoever changes something by the API must show; without it changes are possible from this "
        "machine only, and only if --admin listens on a loopback address.",
        secret=True,
    )
    admin_token_file: str | None = option(
        FILE, None, "A file with that token, so that it does not stand in the list of processes."
    )
    ready_max_age: float | None = option(
        or_off(DURATION),
        "off",
        "How old what the registry said last may become before /ready answers 503; `off`: any age will do.",
    )


@dataclass(frozen=True, kw_only=True)
class ClientAddress(Group):
    """Who is believed about where a client is, and how backends are told."""

    title: ClassVar = "Where the client is"

    trusted_proxies: tuple[str, ...] = repeated(
        NETWORK,
        None,
        "Load balancers in front of pylb, whose X-Forwarded fields are believed; anybody else's are removed; "
        "`unix` means Unix sockets.",
    )
    proxy_protocol: bool = option(
        FLAG, "off", "Expect a PROXY protocol preamble, version 1 or 2, from the trusted proxies on --listen."
    )
    forwarded: bool = option(FLAG, "off", "Tell backends in a Forwarded field as well (RFC 7239).")

    def check(self) -> None:
        """Refuse a preamble that nobody may send."""
        super().check()
        if self.proxy_protocol and not self.trusted_proxies:
            raise UsageError("--proxy-protocol: expected --trusted-proxies with it")


@dataclass(frozen=True, kw_only=True)
class Balancing(Group):
    """Which backend takes a request."""

    title: ClassVar = "Balancing"

    policy: str = option(
        choice("least-connections", "round-robin", "random-two", "random"),
        "least-connections",
        "How a backend is chosen; all policies honour weights.",
    )


@dataclass(frozen=True, kw_only=True)
class Retries(Group):
    """What becomes of a request that failed before its client saw anything of an answer."""

    title: ClassVar = "Retries"

    retries: int = option(
        integer(0, 100), "2", "How many more backends a request is offered to that failed on the first one."
    )
    retry_on: frozenset[str] = option(
        some_of("connect", "reset", "timeout", "502", "503", "504"),
        "connect,reset,timeout",
        "After which failures: no connection (any method), a broken one, no answer in time, these statuses.",
    )
    retry_methods: frozenset[str] = option(
        some_of("PUT", "DELETE"),
        "none",
        "Which methods may be sent a second time besides GET, HEAD and OPTIONS.",
    )
    retry_keyed: bool = option(
        FLAG, "off", "Send requests with an Idempotency-Key a second time, whatever their method."
    )
    retry_budget: int = option(
        integer(0, 1000),
        "20",
        "Retries per 100 requests of a service, in the long run; 3 a second are always allowed.",
    )


@dataclass(frozen=True, kw_only=True)
class Health(Group):
    """When a backend that fails is left alone."""

    title: ClassVar = "Health"

    suspect_time: float = option(
        DURATION_OR_ZERO,
        "1s",
        "How long a backend is left alone that refused or broke a connection; doubles each time, up to 30s; "
        "0 never leaves it alone for that.",
    )
    eject_failures: int = option(
        integer(0, 1000),
        "5",
        "Failures in a row (no connection, a broken one, no answer in time, a status of 500 or above) after "
        "which a backend is ejected; 0 ejects none.",
    )
    eject_time: float = option(
        DURATION, "10s", "How long it is ejected, times the number of its ejections, up to 5m."
    )
    eject_most: int = option(
        integer(0, 100), "50", "Percentage of a service's backends that may be ejected at a time."
    )
    panic_threshold: int = option(
        integer(0, 100),
        "50",
        "If a smaller percentage of a service's backends is fit, failures are overlooked and only those that "
        "accept no connection are left out.",
    )
    panic: str = option(
        choice("serve", "fail"), "serve", "What to do then: serve all the same, or fail with 503 at once."
    )


@dataclass(frozen=True, kw_only=True)
class Timeouts(Group):
    """How long to wait for what."""

    title: ClassVar = "Time-outs"

    connect_timeout: float = option(DURATION, "2s", "How long a backend may take to accept a connection.")
    response_timeout: float = option(
        DURATION, "60s", "How long a backend may take for the head of its answer."
    )
    body_timeout: float = option(DURATION, "60s", "How long a body may stand still, either way.")
    head_timeout: float = option(
        DURATION, "10s", "How long a client may take for the whole head of a request."
    )
    keepalive_timeout: float = option(
        DURATION, "75s", "How long a client's connection may wait for its next request."
    )
    upstream_keepalive: float = option(
        DURATION_OR_ZERO,
        "4s",
        "How long to keep an idle connection to a backend; the backend should keep it longer; 0 keeps none.",
    )
    tunnel_timeout: float = option(
        DURATION, "1h", "How long a WebSocket or another upgraded connection may be silent, both ways."
    )
    drain_timeout: float = option(
        DURATION_OR_ZERO, "30s", "How long requests in flight may take to finish once pylb is told to stop."
    )


@dataclass(frozen=True, kw_only=True)
class Limits(Group):
    """How much a client may send before it is refused."""

    title: ClassVar = "Limits"

    max_head: int = option(
        SIZE,
        "32KiB",
        "The size of a request's first line and header fields together; more is answered with 431.",
    )
    max_target: int = option(
        SIZE, "8KiB", "The size of a request's target, its path and query; more is answered with 414."
    )
    max_headers: int = option(
        integer(1, 10_000), "100", "The number of a request's header fields; more is answered with 431."
    )
    max_body: int = option(
        SIZE_OR_OFF,
        "off",
        "The size of a request's body; more is answered with 413. Bodies are passed on, not kept.",
    )
    min_body_rate: int = option(
        SIZE_OR_OFF,
        "240",
        "Bytes per second that a request's body must come with, on the average over --body-timeout.",
    )
    max_connections: int = option(
        integer_or_off(1_000_000),
        "20000",
        "Client connections of one worker; one more is answered with 503. Idle ones take some 10 KB each.",
    )
    max_client_connections: int = option(
        integer_or_off(1_000_000),
        "off",
        "Connections from one IPv4 address or IPv6 /64; off, because many users can share an address.",
    )
    max_client_rate: int = option(
        integer_or_off(1_000_000),
        "off",
        "Requests per second from one IPv4 address or IPv6 /64, in each worker; more is answered with 429.",
    )
    max_requests: int = option(
        integer_or_off(1_000_000_000),
        "off",
        "Requests on one connection; the last is answered with `Connection: close`.",
    )


@dataclass(frozen=True, kw_only=True)
class Logging(Group):
    """What is written down."""

    title: ClassVar = "Logging"

    access_log: str = option(
        choice("off", "combined", "json"), "off", "One line per request on standard output, in this form."
    )
    log_level: str = option(
        choice("debug", "info", "warning", "error"), "info", "The least important message on standard error."
    )


@dataclass(frozen=True, kw_only=True)
class Options(
    Discovery,
    Consul,
    Docker,
    Listen,
    ClientAddress,
    Balancing,
    Retries,
    Health,
    Timeouts,
    Limits,
    Logging,
):
    """All that `pylb` takes."""

    def check(self) -> None:
        """Refuse to start with nothing to balance.

        Raises:
            UsageError: neither Consul nor fixed backends, or a registry but no service to look up in it.
        """
        super().check()
        if not self.static and not self.consul and not self.docker:
            raise UsageError(
                "expected --consul HOST:PORT and --service NAME, or --static HOST:PORT,...; "
                "see pylb --help, or try pylb demo"
            )
        if not self.static and not self.service:
            where = "among the containers" if self.docker else "in Consul"
            raise UsageError(f"expected --service NAME: the service {where} to balance")

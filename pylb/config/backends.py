"""Options for backends: balancing, retries, health, connections and time-outs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pylb import grpc_codes
from pylb.config.affinity import HASH_ON, KEY, STICKY
from pylb.config.kinds import (
    AUTHORITY,
    DURATION,
    DURATION_OR_ZERO,
    FILE,
    FLAG,
    GRPC,
    GRPC_SERVICE,
    HOST,
    TARGET,
    TCP,
    choice,
    integer,
    integer_or_off,
    some_of,
)
from pylb.config.option import Group, option
from pylb.errors import UsageError

POLICIES = ("least-connections", "round-robin", "random-two", "random", "hash")
"""The balancing policies. `pylb.policy.balance` loads each from the file of its name."""

PROTOCOLS = ("http1", "h2", "auto")
"""How connections to backends use HTTP: always 1.1, always 2, or as the backend chooses in TLS."""

STATUSES = ("502", "503", "504")
"""The statuses of a response that may be retried: those of a gateway or an overloaded backend."""

CONDITIONS = ("connect", "reset", "timeout", *STATUSES, *grpc_codes.CONDITIONS.values())
"""The failures that may be retried; `pylb.policy.retry` defines each."""


@dataclass(frozen=True, kw_only=True)
class Balancing(Group):
    """How a backend is selected for a request."""

    title: ClassVar = "Balancing"

    policy: str = option(
        choice(*POLICIES),
        "least-connections",
        "Balancing policy. All policies respect weights; `random-two` takes the less loaded of two random "
        "backends, `hash` the same one for the same --hash-on.",
    )
    hash_on: str | None = option(
        HASH_ON,
        None,
        "What the policy `hash` hashes; requests without it are balanced by least-connections. By default it "
        "is `client`, the client's address.",
    )
    hash_balance_factor: int = option(
        integer_or_off(10_000, low=100),
        "125",
        "Requests in flight of a backend, in percent of the mean, above which the policy `hash` takes "
        "another one.",
    )
    sticky: str = option(
        STICKY,
        "off",
        "Send the requests of a session to one backend. Clients carry the session in a cookie (`pylb` by "
        "default) or in a header of responses and requests.",
    )
    sticky_key: str | None = option(
        KEY,
        None,
        "Key of the sessions' tokens, the same on all nodes; prefer the environment. By default, each pylb "
        "makes one when it starts.",
    )
    sticky_max_age: float = option(
        DURATION_OR_ZERO,
        "0",
        "Time for which browsers keep the cookie of --sticky; with 0 until they are closed.",
    )
    slow_start: float = option(
        DURATION_OR_ZERO,
        "10s",
        "Time in which the weight of a new backend rises from a tenth to its full value; 0 disables slow "
        "start.",
    )
    max_conn: int = option(
        integer_or_off(1_000_000),
        "off",
        "Maximum concurrent requests per backend, divided equally among the workers. By default, there is "
        "no limit.",
    )
    max_queue: int = option(
        integer(1, 1_000_000),
        "1000",
        "Maximum requests of a service that wait for a backend below --max-conn, divided equally among the "
        "workers. Further requests are answered with 503.",
    )
    queue_timeout: float = option(
        DURATION,
        "5s",
        "Maximum time that a request waits for a backend below --max-conn; then it is answered with 503.",
    )

    def check(self) -> None:
        """Reject sessions with hashing: a request has one key."""
        super().check()
        if self.sticky and self.policy == "hash":
            raise UsageError("--sticky: expected another --policy than hash")


@dataclass(frozen=True, kw_only=True)
class BackendConnections(Group):
    """TLS, the version of HTTP and the PROXY protocol on connections to backends."""

    title: ClassVar = "Connections to backends"

    upstream_protocol: str = option(
        choice(*PROTOCOLS),
        "http1",
        "Version of HTTP to backends: `http1`, `h2` (HTTP/2), or `auto`: what a backend with TLS chooses, "
        "else HTTP/1.1. The metadata key lb_protocol of an instance takes precedence.",
    )
    upstream_tls: bool = option(
        FLAG,
        "off",
        "Connect to backends over TLS. The metadata key lb_tls of an instance (true or false) takes "
        "precedence.",
    )
    upstream_tls_ca: str | None = option(
        FILE, None, "CA bundle used to verify backend certificates. Defaults to the system's."
    )
    upstream_tls_verify: bool = option(FLAG, "on", "Verify the certificates and names of backends.")
    upstream_tls_name: str | None = option(
        HOST,
        None,
        "Name that backend certificates must contain. The metadata key lb_tls_name of an instance takes "
        "precedence. Defaults to the address of the backend.",
    )
    upstream_tls_cert: str | None = option(
        FILE,
        None,
        "PEM client certificate for connections to backends; requires --upstream-tls-key. By default, none "
        "is sent.",
    )
    upstream_tls_key: str | None = option(FILE, None, "PEM private key of --upstream-tls-cert.")
    upstream_proxy_protocol: str = option(
        choice("off", "v1", "v2"),
        "off",
        "Send a PROXY protocol header of this version at the start of each backend connection. Connections "
        "are then not reused.",
    )

    def check(self) -> None:
        """Reject a certificate without its key, and a PROXY header on connections that clients share."""
        super().check()
        if self.upstream_proxy_protocol != "off" and self.upstream_protocol != "http1":
            given = self.upstream_protocol
            raise UsageError(f"--upstream-protocol {given}: expected http1 with --upstream-proxy-protocol")
        if bool(self.upstream_tls_cert) != bool(self.upstream_tls_key):
            given, missing = ("cert", "key") if self.upstream_tls_cert else ("key", "cert")
            raise UsageError(f"--upstream-tls-{given}: expected --upstream-tls-{missing} with it")


@dataclass(frozen=True, kw_only=True)
class Retries(Group):
    """Which requests are sent again after an attempt failed before any of the response reached the client."""

    title: ClassVar = "Retries"

    retries: int = option(
        integer(0, 100), "2", "Maximum retries per request, after the first attempt; 0 disables retries."
    )
    retry_on: frozenset[str] = option(
        some_of(*CONDITIONS),
        "connect,reset,timeout",
        "Failures that are retried: `connect` (no connection, any method), `reset` (connection broken), "
        "`timeout` (no response in time), a status, or a code of gRPC (any method).",
    )
    retry_methods: frozenset[str] = option(
        some_of("PUT", "DELETE"),
        "none",
        "Methods that may be retried in addition to GET, HEAD and OPTIONS.",
    )
    retry_idempotency_key: bool = option(
        FLAG, "off", "Also retry requests of any method that carry an Idempotency-Key header."
    )
    retry_budget: int = option(
        integer(0, 1000),
        "20",
        "Maximum retries as a percentage of a service's requests; 3 retries per second are always allowed.",
    )


@dataclass(frozen=True, kw_only=True)
class Health(Group):
    """When a failing backend receives no requests: passive ejection, active probes and panic mode."""

    title: ClassVar = "Health"

    suspect_time: float = option(
        DURATION_OR_ZERO,
        "1s",
        "Time for which a backend receives no requests after it refused or broke a connection. It doubles "
        "with each repetition, up to 30s; 0 disables this.",
    )
    eject_failures: int = option(
        integer(0, 1000),
        "5",
        "Consecutive failures (connection error, time-out, or status 500 and above) after which a backend is "
        "ejected; 0 disables ejection.",
    )
    eject_outliers: bool = option(
        FLAG,
        "off",
        "Also eject backends whose error rate is well above that of their peers, in pools of five or more.",
    )
    eject_time: float = option(
        DURATION,
        "10s",
        "Duration of an ejection, multiplied by the number of ejections of that backend, up to 5m.",
    )
    max_ejection_percent: int = option(
        integer(0, 100), "50", "Maximum percentage of a service's backends that are ejected at the same time."
    )
    probe_http: str | None = option(
        TARGET,
        None,
        "Probe each backend with GET requests for this path; a status from 200 to 399 is a success. By "
        "default, there are no HTTP probes.",
    )
    probe_host: str | None = option(
        AUTHORITY,
        None,
        "Host header of HTTP probes. Defaults to the address of the backend.",
    )
    probe_tcp: bool = option(FLAG, "off", "Probe each backend by opening a TCP connection.")
    probe_grpc: bool = option(
        FLAG,
        "off",
        "Probe each backend by a call of grpc.health.v1.Health/Check with HTTP/2; SERVING is a success.",
    )
    probe_grpc_service: str | None = option(
        GRPC_SERVICE,
        None,
        "Service whose health --probe-grpc asks for. By default it asks for that of the whole server.",
    )
    probe_interval: float = option(
        DURATION,
        "2s",
        "Time between probes of a backend; a quarter of it while results change or requests fail.",
    )
    probe_timeout: float = option(DURATION, "2s", "Maximum duration of a probe; a longer one fails.")
    probe_fall: int = option(
        integer(1, 1000), "3", "Consecutive failed probes before a backend is removed from balancing."
    )
    probe_rise: int = option(
        integer(1, 1000), "2", "Consecutive successful probes before a backend is restored."
    )
    panic_threshold: int = option(
        integer(0, 100),
        "50",
        "Panic mode begins when less than this percentage of a service's backends is healthy; 0 disables it. "
        "See --panic.",
    )
    panic: str = option(
        choice("serve", "fail"),
        "serve",
        "Behaviour in panic mode: `serve` ignores failures and excludes only backends that accept no "
        "connection; `fail` answers 503 immediately.",
    )

    @property
    def probe(self) -> str:
        """The probe of instances that define none, as `kinds.PROBE`; empty for no probes."""
        if self.probe_grpc:
            return f"{GRPC}:{self.probe_grpc_service}" if self.probe_grpc_service else GRPC
        return self.probe_http or (TCP if self.probe_tcp else "")

    def check(self) -> None:
        """Reject two kinds of probes."""
        super().check()
        given = {"tcp": self.probe_tcp, "grpc": self.probe_grpc, "http": self.probe_http}
        first, *others = [name for name, value in given.items() if value] or [""]
        if others:
            raise UsageError(f"--probe-{first}: expected either this or --probe-{others[0]}")
        if self.probe_grpc_service and not self.probe_grpc:
            raise UsageError("--probe-grpc-service: expected --probe-grpc with it")


@dataclass(frozen=True, kw_only=True)
class PoolOptions(Balancing, Retries, Health):
    """The options of a service's pool."""


@dataclass(frozen=True, kw_only=True)
class Timeouts(Group):
    """Time limits of requests and connections."""

    title: ClassVar = "Time-outs"

    connect_timeout: float = option(
        DURATION, "2s", "Maximum time to connect to a backend, TLS handshake included."
    )
    response_timeout: float = option(
        DURATION, "60s", "Maximum time from sending a request to the head of the response, for each attempt."
    )
    body_timeout: float = option(
        DURATION, "60s", "Maximum time without progress while a request or response body is transferred."
    )
    head_timeout: float = option(
        DURATION, "10s", "Maximum time in which a client must send the complete head of a request."
    )
    keepalive_timeout: float = option(
        DURATION, "75s", "Maximum idle time of a client connection between requests."
    )
    upstream_keepalive: float = option(
        DURATION_OR_ZERO,
        "4s",
        "Maximum idle time of a backend connection. It must be shorter than the backend's own keep-alive "
        "time; 0 disables reuse.",
    )
    tunnel_timeout: float = option(
        DURATION,
        "1h",
        "Maximum time without data in either direction on a WebSocket or other upgraded connection.",
    )
    drain_timeout: float = option(
        DURATION_OR_ZERO,
        "30s",
        "Maximum time for requests in flight to finish when pylb stops; then they are cut off.",
    )

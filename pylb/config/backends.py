"""The side of the backends: which one takes a request, what if it fails, how long to wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pylb.config.kinds import (
    AUTHORITY,
    DURATION,
    DURATION_OR_ZERO,
    FILE,
    FLAG,
    HOST,
    TARGET,
    choice,
    integer,
    integer_or_off,
    some_of,
)
from pylb.config.option import Group, option
from pylb.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Balancing(Group):
    """Which backend takes a request."""

    title: ClassVar = "Balancing"

    policy: str = option(
        choice("least-connections", "round-robin", "random-two", "random"),
        "least-connections",
        "How a backend is chosen; all policies honour weights.",
    )
    slow_start: float = option(
        DURATION_OR_ZERO,
        "10s",
        "How long a new backend takes to come from a tenth of its weight to all of it; 0 gives it at once.",
    )
    max_conn: int = option(
        integer_or_off(1_000_000),
        "off",
        "How many requests a backend gets at a time; with several workers each has an equal part of that.",
    )
    max_queue: int = option(
        integer(1, 1_000_000),
        "1000",
        "How many requests of a service may wait for a backend with room; likewise. More are answered 503.",
    )
    queue_timeout: float = option(
        DURATION, "5s", "How long a request may wait for a backend with room; then it is answered 503."
    )


@dataclass(frozen=True, kw_only=True)
class BackendConnections(Group):
    """How connections to backends begin."""

    title: ClassVar = "Connections to backends"

    upstream_tls: bool = option(
        FLAG,
        "off",
        "Use TLS to backends; the key lb_tls in a service's metadata (true or false) takes precedence.",
    )
    upstream_tls_ca: str | None = option(
        FILE, None, "PEM certificates of who signs those of backends; the system's if not given."
    )
    upstream_tls_verify: bool = option(FLAG, "on", "Check the certificates and names of backends.")
    upstream_tls_name: str | None = option(
        HOST,
        None,
        "The name that certificates of backends must carry, unless lb_tls_name in their metadata says "
        "another; by default a backend's address.",
    )
    upstream_tls_cert: str | None = option(FILE, None, "The PEM certificate to show to backends.")
    upstream_tls_key: str | None = option(FILE, None, "The PEM key of --upstream-tls-cert.")
    upstream_proxy_protocol: str = option(
        choice("off", "v1", "v2"),
        "off",
        "Begin each connection to a backend with a PROXY protocol preamble; none is used twice.",
    )

    def check(self) -> None:
        """Refuse a certificate without its key and a key without its certificate."""
        super().check()
        if bool(self.upstream_tls_cert) != bool(self.upstream_tls_key):
            given, missing = ("cert", "key") if self.upstream_tls_cert else ("key", "cert")
            raise UsageError(f"--upstream-tls-{given}: expected --upstream-tls-{missing} with it")


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
    retry_idempotency_key: bool = option(
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
    eject_outliers: bool = option(
        FLAG,
        "off",
        "Eject backends, too, that fail noticeably more often than their peers, in pools of five and more.",
    )
    eject_time: float = option(
        DURATION, "10s", "How long it is ejected, times the number of its ejections, up to 5m."
    )
    max_ejection_percent: int = option(
        integer(0, 100), "50", "Percentage of a service's backends that may be ejected at a time."
    )
    probe_http: str | None = option(
        TARGET, None, "Ask each backend for this path every so often; a status from 200 to 399 is good."
    )
    probe_host: str | None = option(
        AUTHORITY,
        None,
        "The Host that these requests have, for backends that answer to their own names only; the backend's "
        "address if not given.",
    )
    probe_tcp: bool = option(FLAG, "off", "Open a connection to each backend every so often, and no more.")
    probe_interval: float = option(
        DURATION, "2s", "How often; four times as often while the answers change, or requests fail."
    )
    probe_timeout: float = option(DURATION, "2s", "How long a probe may take.")
    probe_fall: int = option(
        integer(1, 1000), "3", "Probes in a row that fail after which a backend gets no requests."
    )
    probe_rise: int = option(integer(1, 1000), "2", "Good ones in a row after which it gets requests again.")
    panic_threshold: int = option(
        integer(0, 100),
        "50",
        "If a smaller percentage of a service's backends is fit, failures are overlooked and only those that "
        "accept no connection are left out.",
    )
    panic: str = option(
        choice("serve", "fail"), "serve", "What to do then: serve all the same, or fail with 503 at once."
    )

    def check(self) -> None:
        """Refuse two kinds of probes."""
        super().check()
        if self.probe_http and self.probe_tcp:
            raise UsageError("--probe-tcp: expected either this or --probe-http")


@dataclass(frozen=True, kw_only=True)
class Pools(Balancing, Retries, Health):
    """All that the pool of a service goes by."""


@dataclass(frozen=True, kw_only=True)
class Timeouts(Group):
    """How long to wait for what."""

    title: ClassVar = "Time-outs"

    connect_timeout: float = option(DURATION, "2s", "How long a backend may take to accept a connection.")
    response_timeout: float = option(
        DURATION, "60s", "How long a backend may take for the head of its answer, in each try."
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

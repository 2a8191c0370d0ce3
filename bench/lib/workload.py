"""The workloads: kinds of requests that clients send repeatedly."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB

SMALL_ANSWER = "A small answer, as an API or a health page sends."

BROWSER_HEADERS = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br",
}
"""The header fields of a browser, without `Host`."""


@dataclass(frozen=True)
class Workload:
    """One request that all clients repeat, by default over persistent connections."""

    name: str
    about: str
    path: str
    connections: int
    """Few for large bodies: requests in progress at the end of a round cost CPU but are not counted."""
    method: str = "GET"
    body: int = 0
    """Size of the request body in bytes."""
    tls: bool = False
    """Whether clients use TLS."""
    streams: int = 0
    """Requests in progress on each connection, with HTTP/2; 0 for HTTP/1.1."""
    varied: bool = False
    """Whether each request has another target and another cookie than the previous one."""
    keep_alive: bool = True
    """Whether a connection carries more than one request."""
    extra_headers: int = 0
    """Number of header fields in addition to `Host` and those of a browser."""
    services: int = 1
    """Number of services that receive the requests in turn; each has its own host name (`service_host`)."""


EXTRA_VALUE = "a value as long as an average one"


def service_host(number: int) -> str:
    """The host name of service `number`, counted from 1. `wrk.lua` builds the same names."""
    return f"service-{number}.example"


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("small", f"GET, {len(SMALL_ANSWER)}-byte response", "/small", connections=64),
        Workload(
            "varied", "GET, every request and response head differs", "/varied", connections=64, varied=True
        ),
        Workload("tls", "GET over TLS", "/small", connections=64, tls=True),
        Workload("close", "GET, a new connection per request", "/small", connections=64, keep_alive=False),
        # wrk waits for a body of `Content-Length` bytes even after HEAD, so the file must be empty.
        Workload("head", "HEAD of an empty file", "/empty", connections=64, method="HEAD"),
        Workload("post", "POST, 1 KiB body", "/upload", connections=64, method="POST", body=KIB),
        Workload("16k", "GET, 16 KiB response", "/16k", connections=64),
        Workload("1m", "GET, 1 MiB response", "/1m", connections=16),
        Workload("16m", "GET, 16 MiB response", "/16m", connections=4),
        Workload(
            "h2", "GET, HTTP/2, 64 connections of one stream", "/small", connections=64, tls=True, streams=1
        ),
        Workload(
            "h2-8x8", "GET, HTTP/2, 8 connections of 8 streams", "/small", connections=8, tls=True, streams=8
        ),
        Workload(
            "h2-1x100",
            "GET, HTTP/2, 1 connection of 100 streams",
            "/small",
            connections=1,
            tls=True,
            streams=100,
        ),
        Workload(
            "h2-varied",
            "GET, HTTP/2, every target and response head differs",
            "/varied",
            connections=64,
            tls=True,
            streams=1,
            varied=True,
        ),
        Workload(
            "h2c",
            "GET, HTTP/2 without TLS, 64 connections of one stream",
            "/small",
            connections=64,
            streams=1,
        ),
        Workload(
            "h2c-8x8",
            "GET, HTTP/2 without TLS, 8 connections of 8 streams",
            "/small",
            connections=8,
            streams=8,
        ),
        Workload("h2-1m", "GET, HTTP/2, 1 MiB response", "/1m", connections=4, tls=True, streams=4),
        Workload("upload", "POST, 1 MiB body", "/upload", connections=16, method="POST", body=MIB),
    )
}

FILES = {"empty": 0, "16k": 16 * KIB, "1m": MIB, "16m": 16 * MIB}
"""The origin's files and their sizes in bytes."""

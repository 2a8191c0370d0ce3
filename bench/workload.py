"""The kinds of work that are measured."""

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
"""What a browser sends with each request, `Host` apart."""


@dataclass(frozen=True)
class Workload:
    """One request, sent again and again over keep-alive connections."""

    name: str
    about: str
    path: str
    connections: int
    """Few for large bodies: requests that the end of a round cuts off cost CPU, but do not count."""
    method: str = "GET"
    body: int = 0
    """Bytes of the request's body."""
    tls: bool = False
    """Whether clients come by TLS. Not every proxy is set up for it here."""
    varied: bool = False
    """Whether each request has another target and another cookie than the last one."""


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("small", f"GET, {len(SMALL_ANSWER)}-byte answer", "/small", connections=64),
        Workload("varied", "GET, no two heads alike, either way", "/varied", connections=64, varied=True),
        Workload("tls", "GET by TLS, keep-alive", "/small", connections=64, tls=True),
        Workload("64k", "GET, 64 KiB answer", "/64k", connections=64),
        Workload("16m", "GET, 16 MiB answer", "/16m", connections=4),
        Workload("upload", "POST, 1 MiB body", "/upload", connections=16, method="POST", body=MIB),
    )
}

FILES = {"64k": 64 * KIB, "16m": 16 * MIB}
"""The origin's files and their sizes in bytes."""

"""Rounds of load: one proxy under one workload for some seconds, and the order of the rounds.

The figure of a round is the CPU time that the proxy used per finished request.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.lib.h2load import H2Load
from bench.lib.machine import Cores
from bench.lib.sample import Sample
from bench.lib.server import Server
from bench.lib.workload import Workload
from bench.lib.wrk import Wrk

WARM_UP = 1
"""Seconds of load before the first round of a proxy and workload, which are not counted."""

WITHOUT_HTTP2 = frozenset(["aiohttp"])
"""Proxies that only know HTTP/1.1."""


def measure(server: Server, workload: Workload, number: int, seconds: int, cores: Cores) -> Sample:
    """Put one proxy under load for one round."""
    before = server.cpu()
    generator = H2Load if workload.streams else Wrk
    load = generator(url_of(server, workload), workload, seconds, cores.load).finish()
    used = server.cpu() - before
    finished = max(load.requests, 1)
    return Sample(
        workload=workload.name,
        peer=server.name,
        round=number,
        user=used.user / finished * 1e6,
        system=used.system / finished * 1e6,
        rate=load.rate,
        p50=load.p50,
        p99=load.p99,
        rss=server.rss() / 2**20,
        requests=load.requests,
        errors=load.errors,
    )


def url_of(server: Server, workload: Workload) -> str:
    """Return the base URL of a proxy for the requests of a workload."""
    if workload.tls:
        return server.tls_url
    return server.h2c_url if workload.streams else server.url


def interleave(
    servers: Sequence[Server], workloads: Sequence[Workload], rounds: int, seconds: int, cores: Cores
) -> Iterator[tuple[str, Sample | None]]:
    """Measure all proxies in each round before the next round begins.

    Noise of the machine then affects all proxies alike. Even rounds measure the proxies in reverse order, so
    that a drift within a round cancels out.

    Yields:
        A description of each step and its sample; None for a warm-up.
    """
    for workload in workloads:
        able = [server for server in servers if not workload.streams or server.name not in WITHOUT_HTTP2]
        for server in able:
            measure(server, workload, 0, WARM_UP, cores)
            yield f"{workload.name}, warm-up, {server.name}", None
        for number in range(1, rounds + 1):
            for server in able if number % 2 else reversed(able):
                sample = measure(server, workload, number, seconds, cores)
                yield f"{workload.name}, round {number}, {server.name}", sample

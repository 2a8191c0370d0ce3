"""How much memory a proxy uses: at rest, per idle connection, and while a large body passes through.

`python -m bench.hotpath.memory` restarts each proxy for each of the three measurements, so that memory left
over from one of them does not hide the growth of another.
"""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

from rich import box
from rich.console import Console
from rich.table import Table

from bench.lib import raw
from bench.lib.fleet import start_fleet, temporary_directory
from bench.lib.machine import Cores, Machine
from bench.lib.options import interrupt_on_signals, names_of, positive, raise_file_limit
from bench.lib.packages import MissingError
from bench.lib.peers.catalog import PEERS
from bench.lib.ports import free_port
from bench.lib.repository import module_command
from bench.lib.server import Server, StartError, serve

KIB = 1024
MIB = 1024 * KIB


class ShortError(Exception):
    """A body was truncated, so its memory figure is meaningless."""


@dataclass(frozen=True)
class Footprint:
    """One proxy's resident memory, summed over its processes, in bytes."""

    rest: int
    """After its first request."""
    connection: float
    """Growth per idle client connection."""
    download: int
    """Peak growth while one large response passes."""
    upload: int
    """Peak growth while one large request body passes."""


def idle_growth(server: Server, connections: int) -> float:
    """Growth in bytes per connection that has sent one request and is idle."""
    before = server.rss()
    with ExitStack() as stack:
        for _ in range(connections):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            client.sendall(b"GET /?bytes=1 HTTP/1.1\r\nHost: bench\r\n\r\n")
            if not client.recv(64 * KIB).startswith(b"HTTP/1.1 200"):
                raise ShortError(f"{server.name} did not answer one of {connections} connections with 200")
        return (server.rss() - before) / connections


def download_growth(server: Server, size: int) -> int:
    """Peak growth in bytes while a response of `size` bytes passes."""
    before = server.rss()
    server.reset_peak()
    client = HTTPConnection("127.0.0.1", server.port, timeout=60)
    client.request("GET", f"/?bytes={size}")
    answer = client.getresponse()
    buffer = bytearray(MIB)
    received = sum(iter(lambda: answer.readinto(buffer), 0))
    client.close()
    if received != size:
        raise ShortError(f"{server.name} forwarded {received:,} of {size:,} bytes")
    return server.peak_rss() - before


def upload_growth(server: Server, size: int) -> int:
    """Peak growth in bytes while a request body of `size` bytes passes."""
    before = server.rss()
    server.reset_peak()
    client = HTTPConnection("127.0.0.1", server.port, timeout=60)
    chunks = (bytes(MIB) for _ in range(size // MIB))
    client.request("POST", "/", body=chunks, headers={"Content-Length": str(size)})
    answered = client.getresponse().read().decode(errors="replace")
    client.close()
    if answered != str(size):
        raise ShortError(f"{server.name} forwarded {answered[:40]!r} of {size:,} bytes")
    return server.peak_rss() - before


@dataclass
class MemoryRun:
    """The results of all proxies."""

    footprints: dict[str, list[Footprint]] = field(default_factory=dict)
    """Footprints by proxy, one per round."""
    versions: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    """Why each proxy that could not be measured is missing."""


@contextmanager
def fresh(name: str, origin: Server, cores: Cores, console: Console) -> Iterator[Server]:
    """Start one proxy. It has answered one request when the context is entered.

    Raises:
        MissingError: the proxy cannot be started.
    """
    with start_fleet([PEERS[name]], [origin.port], "/?bytes=1", cores, console) as fleet:
        if fleet.missing:
            raise MissingError(fleet.missing[name])
        yield fleet.servers[0]


def measure_footprint(
    name: str, origin: Server, cores: Cores, options: argparse.Namespace, console: Console
) -> Footprint:
    """Measure one proxy in one round.

    Raises:
        MissingError: the proxy cannot be started.
        ShortError: a body was truncated.
    """

    def after(measure: Callable[[Server, int], float], amount: int) -> float:
        with fresh(name, origin, cores, console) as server:
            return measure(server, amount)

    return Footprint(
        rest=int(after(lambda server, _: server.rss(), 0)),
        connection=after(idle_growth, options.connections),
        download=int(after(download_growth, options.size * MIB)),
        upload=int(after(upload_growth, options.size * MIB)),
    )


@contextmanager
def serve_streams(cores: Cores) -> Iterator[Server]:
    """Run the streaming origin while the context is open."""
    port = free_port()
    command = module_command("bench.hotpath.streaming_origin", str(port))
    with temporary_directory() as directory, serve("origin", command, port, directory, cores.load) as origin:
        origin.wait_until_ready("/")
        yield origin


def measure_all(origin: Server, cores: Cores, options: argparse.Namespace, console: Console) -> MemoryRun:
    """Measure all proxies, round after round. After Ctrl-C, the complete rounds are returned."""
    run = MemoryRun()
    try:
        for number in range(1, options.rounds + 1):
            for name in options.peers:
                if name in run.missing:
                    continue
                try:
                    footprint = measure_footprint(name, origin, cores, options, console)
                except (MissingError, ShortError, OSError) as error:
                    console.print(
                        f"{name}, round {number}: {error}", style="red", highlight=False, markup=False
                    )
                    run.missing[name] = str(error)
                else:
                    run.footprints.setdefault(name, []).append(footprint)
                    run.versions[name] = PEERS[name].version()
    except KeyboardInterrupt:
        console.print("[bold red]Interrupted[/]: the table lacks the last rounds.")
    return run


def show(run: MemoryRun, options: argparse.Namespace, console: Console) -> None:
    """Print the medians, one row per proxy."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("proxy", no_wrap=True)
    for heading in (
        "at rest, MiB",
        f"per idle connection ({options.connections:,} of them), KiB",
        f"growth during a response of {options.size:,} MiB, MiB",
        f"growth during a request body of {options.size:,} MiB, MiB",
    ):
        table.add_column(heading, justify="right")
    for name, rounds in run.footprints.items():
        table.add_row(
            name,
            f"{median(each.rest for each in rounds) / MIB:,.1f}",
            f"{median(each.connection for each in rounds) / KIB:,.1f}",
            f"{median(each.download for each in rounds) / MIB:,.1f}",
            f"{median(each.upload for each in rounds) / MIB:,.1f}",
        )
    console.print(table)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.hotpath.memory", description="Resident memory of proxies."
    )
    names = ",".join(PEERS)
    parser.add_argument(
        "--peers", type=names_of(PEERS), default=list(PEERS), metavar="NAME,...", help=f"{names} (all)"
    )
    parser.add_argument("--connections", type=positive, default=2000, help="idle connections (2000)")
    parser.add_argument(
        "--size", type=positive, default=1024, metavar="MIB", help="size of a body in MiB (1024)"
    )
    parser.add_argument("--rounds", type=positive, default=3, help="rounds per proxy (3)")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write conditions and rounds, in bytes"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. A proxy that is missing does not make it fail; the output names it."""
    options = parse(arguments)
    raise_file_limit()
    console = Console()
    machine, cores = Machine.this(), Cores.split()
    cores.leave_proxy_core()
    console.print(str(machine), highlight=False)
    try:
        with interrupt_on_signals(), serve_streams(cores) as origin:
            run = measure_all(origin, cores, options, console)
    except StartError as error:
        Console(stderr=True).print(f"bench.hotpath.memory: {error}", highlight=False, markup=False)
        return 1
    show(run, options, console)
    if options.json:
        settings = {"rounds": options.rounds, "connections": options.connections, "MiB": options.size}
        raw.write(options.json, {"machine": machine, "settings": settings, **vars(run)})
    return 0


if __name__ == "__main__":
    sys.exit(main())

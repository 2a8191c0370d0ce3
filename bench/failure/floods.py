"""What floods of HTTP/2 frames cost other clients: latency, memory, and lines in the access log.

`python -m bench.failure.floods` starts a new pylb with one worker for each kind of flood. A flooding client
sends frames as fast as pylb reads them, on several connections, and connects again when pylb ends one. One
other client sends small requests one after the other; without a flood, its latency is the first row.

`python -m bench.failure.floods --against PORT --floods NAME` only sends a flood.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, repeat
from pathlib import Path

from rich.table import Table

from bench.failure.attacks import run_attacks
from bench.failure.slow_clients import others
from bench.lib.console import output_console
from bench.lib.machine import Cores
from bench.lib.options import names_of, positive
from bench.lib.ports import free_port
from bench.lib.repository import REPOSITORY, module_command
from bench.lib.server import Server, serve
from bench.lib.workload import WORKLOADS
from pylb.http2 import frames
from pylb.http2.encoder import field
from pylb.http2.errors import ErrorCode

LOG = "access.log"
QUIET = "none"
BATCH = 200
"""Steps of a flood that are sent in one write."""

_HOST = field(b":authority", b"bench")
GET = b"\x82\x86\x84" + _HOST
"""The header block of `GET /`."""
POST = b"\x83\x86\x84" + _HOST
LARGE = b"\x82\x86" + _HOST + field(b":path", WORKLOADS["16m"].path.encode())


def _get(number: int, block: bytes = GET) -> bytes:
    return frames.headers(number, block, end_stream=True)


def _each(make: Callable[[int], bytes]) -> Iterator[bytes]:
    """A step for each stream of a connection."""
    return (make(number) for number in count(1, 2))


def _after(first: bytes, step: bytes) -> Iterator[bytes]:
    """One beginning, and then the same bytes for ever."""
    yield first
    yield from repeat(step)


def _many(make: Callable[[int], bytes], step: Callable[[int], bytes] | None = None) -> Iterator[bytes]:
    """A hundred streams, and then nothing, or steps on each of them in turn."""
    numbers = range(1, 201, 2)
    yield b"".join(map(make, numbers))
    while step is not None:
        yield from map(step, numbers)


def _bomb(number: int) -> bytes:
    """A block that names a large entry of the table often: 5 KB that mean 16 MB."""
    entry = b"\x40\x01a\x7f\xa1\x1e" + bytes(4000)
    return _get(number, GET + (entry if number == 1 else b"") + b"\xbe" * 4000)


def _cut(number: int) -> bytes:
    """A header block in nine pieces."""
    first = frames.frame(frames.HEADERS, frames.END_STREAM, number, GET)
    rest = frames.frame(frames.CONTINUATION, 0, number, b"") * 7
    return first + rest + frames.frame(frames.CONTINUATION, frames.END_HEADERS, number, b"")


_EMPTY = frames.data(1, b"", end_stream=False)
_CLOSED = frames.settings({frames.INITIAL_WINDOW_SIZE: 0})

Flood = Callable[[], Iterator[bytes]]

FLOODS: dict[str, tuple[str, Flood]] = {
    "resets": (
        "requests that are reset at once (CVE-2023-44487)",
        lambda: _each(lambda n: _get(n) + frames.rst_stream(n, ErrorCode.CANCEL)),
    ),
    "window-0": (
        "WINDOW_UPDATE by 0 after each request (CVE-2025-8671)",
        lambda: _each(lambda n: _get(n) + frames.frame(frames.WINDOW_UPDATE, 0, n, bytes(4))),
    ),
    "window-overflow": (
        "WINDOW_UPDATE beyond 2^31-1 after each request",
        lambda: _each(lambda n: _get(n) + frames.window_update(n, frames.LARGEST_WINDOW)),
    ),
    "bad-heads": ("heads without a path", lambda: _each(lambda n: _get(n, b"\x82\x86" + _HOST))),
    "self-priority": (
        "PRIORITY on itself after each request",
        lambda: _each(lambda n: _get(n) + frames.frame(frames.PRIORITY, 0, n, n.to_bytes(4) + b"\0")),
    ),
    "late-data": (
        "DATA after the end of each request",
        lambda: _each(lambda n: _get(n) + frames.data(n, b"x", end_stream=False)),
    ),
    "continuations": (
        "CONTINUATION without an end (CVE-2024-27316)",
        lambda: _after(frames.frame(frames.HEADERS, 0, 1, GET), frames.frame(frames.CONTINUATION, 0, 1, b"")),
    ),
    "cut-heads": ("heads in nine frames", lambda: _each(_cut)),
    "settings": ("SETTINGS", lambda: repeat(frames.settings({frames.INITIAL_WINDOW_SIZE: 70_000}))),
    "pings": ("PING", lambda: repeat(frames.ping(b"12345678", ack=False))),
    "empty-data": (
        "empty DATA, 16 in a row",
        lambda: _after(
            frames.headers(1, POST, end_stream=False), _EMPTY * 16 + frames.data(1, b"x", end_stream=False)
        ),
    ),
    "small-data": (
        "DATA of one byte",
        lambda: _after(frames.headers(1, POST, end_stream=False), frames.data(1, b"x", end_stream=False)),
    ),
    "priorities": ("PRIORITY", lambda: repeat(frames.frame(frames.PRIORITY, 0, 1, bytes(5)))),
    "unknown": ("frames of unknown kinds", lambda: repeat(frames.frame(0xEE, 0, 0, b""))),
    "bombs": ("heads that decode to 16 MB", lambda: _each(_bomb)),
    "small-windows": (
        "windows that open by one byte",
        lambda: _after(_CLOSED + _get(1, LARGE), frames.window_update(1, 1)),
    ),
    "closed-windows": (
        "100 responses of 16 MiB with closed windows",
        lambda: _many(lambda n: (_CLOSED if n == 1 else b"") + _get(n, LARGE)),
    ),
    "slow-uploads": (
        "100 uploads, a byte of one at a time",
        lambda: _many(
            lambda n: frames.headers(n, POST, end_stream=False),
            lambda n: frames.data(n, b"x", end_stream=False),
        ),
    ),
}


@dataclass(frozen=True)
class Outcome:
    """The result of one flood."""

    about: str
    megabytes: float
    """What the flooding client sent."""
    ended: int
    """Its connections that pylb ended."""
    lines: int
    """Lines in the access log that are not those of the other client."""
    latencies: list[float]
    """Of the other client: sorted, in milliseconds."""
    failed: int
    before: int
    """Resident memory in bytes."""
    peak: int

    def quantile(self, share: float) -> float:
        """The latency that this share of the requests did not exceed, in milliseconds."""
        return self.latencies[min(int(len(self.latencies) * share), len(self.latencies) - 1)]


async def _connection(port: int, flood: Flood, end: float, totals: list[int]) -> None:
    """Send a flood on one connection after the other, and discard what pylb sends."""
    while time.monotonic() < end:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        discarding = asyncio.get_running_loop().create_task(_discard(reader))
        writer.write(frames.PREFACE + frames.settings({}))
        steps = flood()
        with suppress(ConnectionError):
            while time.monotonic() < end and not discarding.done():
                batch = b"".join(step for step, _ in zip(steps, range(BATCH), strict=False))
                writer.write(batch)
                totals[0] += len(batch)
                await asyncio.wait_for(writer.drain(), max(end - time.monotonic(), 0.1))
                await asyncio.sleep(0 if batch else 0.1)
        totals[1] += discarding.done()
        discarding.cancel()
        writer.transport.abort()


async def _discard(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        while await reader.read(1 << 18):
            pass


async def flood(port: int, name: str, connections: int, seconds: int) -> tuple[int, int]:
    """Send a flood for so many seconds; return the bytes, and the connections that pylb ended."""
    end, totals = time.monotonic() + seconds, [0, 0]
    tasks = [_connection(port, FLOODS[name][1], end, totals) for _ in range(connections)]
    with suppress(TimeoutError):
        await asyncio.gather(*tasks)
    return totals[0], totals[1]


def measure(name: str, origin: Server, cores: Cores, options: argparse.Namespace, home: Path) -> Outcome:
    """Start a pylb, flood it, and measure another client meanwhile."""
    home.mkdir()
    port = free_port()
    arguments = [
        *("--static", f"127.0.0.1:{origin.port}", "--listen", f"127.0.0.1:{port}", "--admin", "off"),
        *("--workers", "1", "--access-log", "json", "--access-log-file", str(home / LOG)),
    ]
    with serve("pylb", module_command("pylb", *arguments), port, home, cores.proxy) as server:
        server.wait_until_ready(WORKLOADS["small"].path)
        before = server.rss()
        server.reset_peak()
        known = _lines(home)
        flooding = None
        if name != QUIET:
            # The other client shares the core of the flooding one, and must not wait for it.
            command = ["nice", "-n", "19", "taskset", "--cpu-list", ",".join(map(str, cores.load))]
            command += [
                sys.executable,
                "-m",
                "bench.failure.floods",
                "--against",
                str(port),
                "--floods",
                name,
            ]
            command += ["--seconds", str(options.seconds), "--connections", str(options.connections)]
            flooding = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE)
        latencies, failed = others(server, options.seconds)
        sent, ended = (0, 0) if flooding is None else map(int, flooding.communicate()[0].split())
        peak = server.peak_rss()
    lines = _lines(home) - known - len(latencies)
    about = "no flood" if name == QUIET else FLOODS[name][0]
    return Outcome(about, sent / 1e6, ended, lines, latencies, failed, before, peak)


def _lines(home: Path) -> int:
    log = home / LOG
    return log.read_bytes().count(b"\n") if log.exists() else 0


def table(outcomes: Sequence[Outcome]) -> Table:
    """One row per flood."""
    made = Table(box=None, pad_edge=False, header_style="dim")
    made.add_column("")
    for name in ("MB sent", "ended", "lines", "p50 ms", "p99 ms", "max ms", "failed", "MB before", "MB peak"):
        made.add_column(name, justify="right")
    for outcome in outcomes:
        latencies = (f"{outcome.quantile(share):.1f}" for share in (0.5, 0.99, 1))
        memory = (f"{size / 1e6:.0f}" for size in (outcome.before, outcome.peak))
        counts = (f"{outcome.megabytes:.1f}", f"{outcome.ended:,}", f"{outcome.lines:,}")
        made.add_row(outcome.about, *counts, *latencies, str(outcome.failed), *memory)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.failure.floods", description="Latency and memory of pylb under HTTP/2 floods."
    )
    known = [QUIET, *FLOODS]
    parser.add_argument(
        "--floods",
        type=names_of(known),
        default=known,
        metavar="NAME,...",
        help=f"floods: {','.join(known)} (all)",
    )
    parser.add_argument("--connections", type=positive, default=4, help="flooding connections (4)")
    parser.add_argument("--seconds", type=positive, default=30, help="length of a flood in seconds (30)")
    parser.add_argument("--against", type=positive, metavar="PORT", help="send the first flood to this port")
    options = parser.parse_args(arguments)
    if options.against:
        totals = flood(options.against, options.floods[0], options.connections, options.seconds)
        sys.stdout.write(" ".join(map(str, asyncio.run(totals))))
        return 0

    def measured(name: str, origin: Server, cores: Cores, home: Path) -> Outcome:
        return measure(name, origin, cores, options, home)

    return run_attacks("bench.failure.floods", options.floods, output_console(160), measured, table)


if __name__ == "__main__":
    sys.exit(main())

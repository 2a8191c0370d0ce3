"""The CPU time per unary gRPC call of pylb, nginx, HAProxy and Envoy, with HTTP/2 on both sides.

`python -m bench.hotpath.grpc` runs two workloads without TLS: 64 connections of one call, and 8 connections
of 8 calls. Read its tables as those of `bench.hotpath`.
"""

from __future__ import annotations

import argparse
import getpass
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from bench.hotpath.run import Run
from bench.lib.console import output_console
from bench.lib.fleet import temporary_directory
from bench.lib.machine import Cores, Machine
from bench.lib.options import interrupt_on_signals, names_of, positive
from bench.lib.packages import MissingError
from bench.lib.peers.catalog import PEERS
from bench.lib.ports import free_port
from bench.lib.repository import module_command
from bench.lib.sample import Sample
from bench.lib.server import Command, Server, StartError, serve, wait_for
from bench.lib.template import render
from bench.lib.workload import Workload

WORKLOADS = [
    Workload("grpc", "unary, one call per connection", "", connections=64, streams=1),
    Workload("grpc-8x8", "unary, 8 calls per connection", "", connections=8, streams=8),
]
TEMPLATES = {"nginx": "grpc-nginx.conf", "haproxy": "grpc-haproxy.cfg", "envoy": "grpc-envoy.yaml"}
NAMES = ("pylb", *TEMPLATES)
WARM_UP = 1
"""Seconds of load before the rounds of a proxy, which are not counted."""


def command_of(name: str, directory: Path, port: int, origin: int) -> Command:
    """Write the configuration of a proxy, and return its command."""
    program = str(PEERS[name].source.locate())
    if name == "pylb":
        options = ["--static", f"127.0.0.1:{origin}", "--service", "web", "--upstream-protocol", "h2"]
        options += ["--listen", f"127.0.0.1:{port}", "--admin", "off", "--workers", "1"]
        return Command([program, *options])
    template = Path(__file__).with_name(TEMPLATES[name])
    config = str(render(template, directory, port=port, origin=origin, user=getpass.getuser()))
    options = {
        "nginx": ["-p", str(directory), "-c", config],
        "haproxy": ["-db", "-f", config],
        "envoy": ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "-c", config],
    }[name]
    return Command([program, *options])


def call(port: int, workload: Workload, seconds: int, cores: Sequence[int]) -> list[float]:
    """Run the client; return complete calls, failed ones, and two percentiles of their durations in ms."""
    arguments = (port, workload.connections, workload.streams, seconds)
    command = module_command("bench.hotpath.grpc_client", *map(str, arguments))
    argv = ["taskset", "--cpu-list", ",".join(map(str, cores)), *command.argv]
    printed = subprocess.run(argv, env=command.env, capture_output=True, check=True, text=True)
    return [float(each) for each in printed.stdout.split()]


def measure(server: Server, workload: Workload, number: int, seconds: int, cores: Cores) -> Sample:
    """Put one proxy under load for one round."""
    before = server.cpu()
    calls, failed, p50, p99 = call(server.port, workload, seconds, cores.load)
    used = server.cpu() - before
    finished = max(calls, 1)
    return Sample(
        workload=workload.name,
        peer=server.name,
        round=number,
        user=used.user / finished * 1e6,
        system=used.system / finished * 1e6,
        rate=calls / seconds,
        p50=p50,
        p99=p99,
        rss=server.rss() / 2**20,
        requests=int(calls),
        errors=int(failed),
    )


def start(stack: ExitStack, directory: Path, name: str, cores: Cores, origin: int) -> Server:
    """Start a proxy, and wait until a call succeeds."""
    home, port = directory / name, free_port()
    home.mkdir()
    server = stack.enter_context(serve(name, command_of(name, home, port, origin), port, home, cores.proxy))
    wait_until_answered(port, name)
    return server


def wait_until_answered(port: int, name: str) -> None:
    """Wait until a program answers calls.

    Raises:
        StartError: it does not within 20 s.
    """
    probe = Workload("probe", "", "", connections=1, streams=1)

    def answers() -> bool:
        try:
            return call(port, probe, 1, Cores.split().load)[0] > 0
        except subprocess.CalledProcessError:  # It does not listen yet.
            return False

    if not wait_for(answers, 20.0):
        raise StartError(f"{name} did not answer a call within 20 s")


def run(options: argparse.Namespace) -> Run:
    """Start everything, measure, and stop everything."""
    machine, cores = Machine.this(), Cores.split()
    cores.leave_proxy_core()
    result = Run(machine, WORKLOADS, {"rounds": options.rounds, "seconds per round": options.seconds})
    with ExitStack() as stack:
        directory, port = stack.enter_context(temporary_directory()), free_port()
        command = module_command("bench.hotpath.grpc_origin", str(port))
        stack.enter_context(serve("origin", command, port, directory, cores.load))
        wait_until_answered(port, "the origin")
        servers = []
        for name in options.peers:
            try:
                servers.append(start(stack, directory, name, cores, port))
                result.versions[name] = PEERS[name].version()
            except (MissingError, StartError) as error:
                result.missing[name] = str(error)
        for workload in WORKLOADS:
            for server in servers:
                measure(server, workload, 0, WARM_UP, cores)
            for number in range(1, options.rounds + 1):
                for server in servers if number % 2 else reversed(servers):
                    result.samples.append(measure(server, workload, number, options.seconds, cores))
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.hotpath.grpc", description="CPU time per unary gRPC call."
    )
    names = dict.fromkeys(NAMES)
    parser.add_argument("--peers", type=names_of(names), default=list(NAMES), help=",".join(NAMES))
    parser.add_argument("--rounds", type=positive, default=5, help="rounds per proxy and workload (5)")
    parser.add_argument("--seconds", type=positive, default=3, help="length of a round in seconds (3)")
    try:
        with interrupt_on_signals():
            result = run(parser.parse_args(arguments))
    except (MissingError, StartError, subprocess.CalledProcessError) as error:
        Console(stderr=True).print(f"bench.hotpath.grpc: {error}", highlight=False, markup=False)
        return 1
    result.show(output_console())
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The command line of `bench.failure`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from bench.failure.faults import FAULTS
from bench.failure.measure import Outcome, Settings, measure
from bench.failure.tables import show
from bench.lib import raw
from bench.lib.console import output_console
from bench.lib.consul import CatalogError
from bench.lib.machine import Cores, Machine
from bench.lib.options import interrupt_on_signals, names_of, positive, raise_file_limit, seconds
from bench.lib.packages import MissingError
from bench.lib.peers.envoy_static import ENVOY, EnvoyStatic
from bench.lib.peers.follower import FOLLOWERS, Follower
from bench.lib.peers.tuned import TUNED
from bench.lib.rounds import interleaved
from bench.lib.server import StartError

PAPER_WIDTH = 160
"""Columns of output that does not go to a terminal."""
SET_UPS: dict[str, Follower] = FOLLOWERS | {"envoy": EnvoyStatic("envoy", ENVOY)} | TUNED
"""All proxies that can be measured, by name."""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.failure", description="What failures cost the clients."
    )
    option = parser.add_argument
    faults, peers = ",".join(FAULTS), ",".join(SET_UPS)
    option(
        "--faults",
        type=names_of(FAULTS),
        default=[*FAULTS],
        metavar="NAME,...",
        help=f"faults: {faults} (all)",
    )
    option(
        "--peers",
        type=names_of(SET_UPS),
        default=["pylb"],
        metavar="NAME,...",
        help=f"proxies: {peers} (pylb)",
    )
    option("--rounds", type=positive, default=1, help="rounds per proxy (1)")
    defaults = ", ".join(f"{name} {fault.seconds:g}" for name, fault in FAULTS.items())
    option("--seconds", type=seconds, help=f"seconds of observation after the fault ({defaults})")
    option("--outage", type=seconds, default=10.0, help="seconds without a registry (10)")
    option("--timeout", type=seconds, default=5.0, help="seconds after which a client gives up a request (5)")
    option("--connections", type=positive, default=32, help="clients (32)")
    option("--json", type=Path, metavar="FILE", help="also write the figures and the times of failures")
    return parser.parse_args(arguments)


def save(
    path: Path,
    machine: Machine,
    settings: Mapping[str, object],
    results: Mapping[str, Mapping[str, Sequence[Outcome]]],
    missing: Mapping[str, str],
) -> None:
    """Write conditions and figures as JSON."""
    content = {
        "machine": machine,
        "settings": settings,
        "versions": {name: each[0].version for by_peer in results.values() for name, each in by_peer.items()},
        "missing": missing,
        "results": results,
    }
    raw.write(path, content)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. A proxy that is missing does not make it fail; the output names it."""
    options = parse(arguments)
    settings = Settings(options.rounds, options.connections, options.outage, options.timeout)
    faults = {name: FAULTS[name] for name in options.faults}
    if options.seconds:
        faults = {name: replace(fault, seconds=options.seconds) for name, fault in faults.items()}
    console = output_console(PAPER_WIDTH)
    machine = Machine.this()
    console.print(str(machine), highlight=False)
    raise_file_limit()
    cores = Cores.split()
    cores.leave_proxy_core()
    results: dict[str, dict[str, list[Outcome]]] = {name: {} for name in faults}
    missing: dict[str, str] = {}
    try:
        with interrupt_on_signals():
            for what, fault in faults.items():
                lost: dict[str, str] = {}
                for name in interleaved(options.peers, options.rounds, lost):
                    try:
                        with console.status(f"{fault.about}: {name}"):
                            outcome = measure(SET_UPS[name], fault, settings, cores)
                    except (MissingError, StartError, CatalogError, subprocess.SubprocessError) as error:
                        lost[name] = str(error)
                        console.print(f"{name} is missing: {error}", highlight=False, markup=False)
                    else:
                        results[what].setdefault(name, []).append(outcome)
                missing |= lost
                show(what, results[what], console)
    except KeyboardInterrupt:
        return 130
    if options.json:
        observed = {f"seconds ({name})": fault.seconds for name, fault in faults.items()}
        save(options.json, machine, asdict(settings) | observed, results, missing)
    return 0


if __name__ == "__main__":
    sys.exit(main())

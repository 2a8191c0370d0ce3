"""The command; see the package."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from bench import raw
from bench.consul import CatalogError
from bench.failure.faults import FAULTS
from bench.failure.measure import Outcome, Settings, measure
from bench.failure.tables import show
from bench.hotpath import PAPER_WIDTH
from bench.machine import Cores, Machine
from bench.options import end_on_signals, names_of, open_files, positive, seconds
from bench.packages import MissingError
from bench.peers.advised import ADVISED
from bench.peers.envoy_static import ENVOY, EnvoyStatic
from bench.peers.follower import FOLLOWERS, Follower
from bench.server import StartError

SET_UPS: dict[str, Follower] = FOLLOWERS | {"envoy": EnvoyStatic("envoy", ENVOY)} | ADVISED
"""All that can be measured, by name."""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.failure", description="What failures cost the clients."
    )
    option = parser.add_argument
    faults, peers = ",".join(FAULTS), ",".join(SET_UPS)
    option("--faults", type=names_of(FAULTS), default=[*FAULTS], metavar="NAME,...", help=faults)
    option("--peers", type=names_of(SET_UPS), default=["pylb"], metavar="NAME,...", help=peers)
    option("--seconds", type=seconds, default=30.0, help="how long is looked on, from the fault (30)")
    option("--outage", type=seconds, default=10.0, help="how long the registry is gone (10)")
    option("--patience", type=seconds, default=5.0, help="seconds after which a client gives up (5)")
    option("--connections", type=positive, default=32, help="clients (32)")
    option("--json", type=Path, metavar="FILE", help="also write the figures, and when there was trouble")
    return parser.parse_args(arguments)


def save(
    path: Path,
    machine: Machine,
    settings: Settings,
    results: Mapping[str, Mapping[str, Outcome]],
    missing: Mapping[str, str],
) -> None:
    """Write conditions and figures as JSON."""
    content = {
        "machine": machine,
        "settings": settings,
        "versions": {name: each.version for by_peer in results.values() for name, each in by_peer.items()},
        "missing": missing,
        "results": results,
    }
    raw.write(path, content)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options = parse(arguments)
    settings = Settings(options.connections, options.seconds, options.outage, options.patience)
    console = Console() if sys.stdout.isatty() else Console(width=PAPER_WIDTH)
    machine = Machine.this()
    console.print(str(machine), highlight=False)
    open_files()
    cores = Cores.split()
    cores.step_aside()
    results: dict[str, dict[str, Outcome]] = {fault: {} for fault in options.faults}
    missing: dict[str, str] = {}
    try:
        with end_on_signals():
            for fault in options.faults:
                for name in options.peers:
                    try:
                        with console.status(f"{FAULTS[fault].about}: {name}"):
                            results[fault][name] = measure(SET_UPS[name], FAULTS[fault], settings, cores)
                    except (MissingError, StartError, CatalogError, subprocess.SubprocessError) as error:
                        missing[name] = str(error)
                        console.print(f"{name} is missing: {error}", highlight=False, markup=False)
                show(fault, results[fault], console)
    except KeyboardInterrupt:
        return 130
    if options.json:
        save(options.json, machine, settings, results, missing)
    return 0


if __name__ == "__main__":
    sys.exit(main())

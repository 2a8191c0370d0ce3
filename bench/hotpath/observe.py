"""What observability costs: CPU time per request of pylb without metrics, by default, with logs and traces.

`python -m bench.hotpath.observe` starts one pylb per variant before the same origin and puts each under the
same load in turn. The result is the difference to the defaults within a round.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bench.hotpath.measure import interleave
from bench.lib import raw
from bench.lib.console import output_console
from bench.lib.fleet import temporary_directory
from bench.lib.machine import Cores, Machine
from bench.lib.options import interrupt_on_signals, names_of, positive
from bench.lib.origin import serve_origin
from bench.lib.packages import MissingError
from bench.lib.ports import free_port
from bench.lib.repository import module_command
from bench.lib.sample import Sample
from bench.lib.server import Server, StartError, serve
from bench.lib.workload import WORKLOADS
from bench.lib.wrk import LoadError

DEFAULT = "defaults"


@dataclass(frozen=True)
class Variant:
    """A pylb with other observability options."""

    about: str
    options: tuple[str, ...] = ()
    module: str = "pylb"


LOG = ("--access-log-file", "access.log", "--access-log")
TRACES = ("--otlp", "http://127.0.0.1:{collector}", "--trace-sample")
VARIANTS = {
    "without-metrics": Variant("no metrics", module="bench.hotpath.without_metrics"),
    DEFAULT: Variant("metrics"),
    "combined": Variant("metrics, access log", (*LOG, "combined")),
    "json": Variant("metrics, access log as JSON", (*LOG, "json")),
    "json-sample": Variant(
        "metrics, access log as JSON, 1 % of requests", (*LOG, "json", "--access-log-sample", "1")
    ),
    "traceparent": Variant("metrics, traceparent", ("--traceparent",)),
    "otlp-sample": Variant("metrics, 1 % of traces exported", (*TRACES, "1")),
    "otlp": Variant("metrics, all traces exported", (*TRACES, "100")),
    "explain": Variant("metrics, --explain-to, no request asks", ("--explain-to", "127.0.0.0/8")),
}


def start(names: Sequence[str], cores: Cores, stack: ExitStack) -> list[Server]:
    """Start an origin, a trace collector, and the variants."""
    directory = stack.enter_context(temporary_directory())
    origin = stack.enter_context(serve_origin(directory, cores.load))

    def python(name: str, port: int, module: str, *arguments: str, on: Sequence[int]) -> Server:
        home = directory / name
        home.mkdir()
        command = module_command(module, *arguments)
        server = stack.enter_context(serve(name, command, port, home, on))
        server.wait_until_ready(WORKLOADS["small"].path)
        return server

    collector = free_port()
    python("collector", collector, "bench.hotpath.collector", str(collector), on=cores.load)
    servers = []
    for name in names:
        variant, port = VARIANTS[name], free_port()
        options = [option.format(collector=collector) for option in variant.options]
        listen = ("--static", f"127.0.0.1:{origin.port}", "--listen", f"127.0.0.1:{port}", "--admin", "off")
        servers.append(
            python(name, port, variant.module, *listen, *options, "--workers", "1", on=cores.proxy)
        )
    return servers


def table(samples: Sequence[Sample]) -> Table:
    """The medians, and the medians of the differences to the defaults in the same round."""
    made = Table(box=None, pad_edge=False, header_style="dim")
    made.add_column("")
    for name in ("CPU µs", "difference to defaults", "errors"):
        made.add_column(name, justify="right")
    rounds = {(sample.peer, sample.round): sample.cpu for sample in samples}
    for name in dict.fromkeys(sample.peer for sample in samples):
        own = {number: cpu for (peer, number), cpu in rounds.items() if peer == name}
        more = [cpu - rounds[DEFAULT, number] for number, cpu in own.items() if (DEFAULT, number) in rounds]
        errors = sum(sample.errors for sample in samples if sample.peer == name)
        difference = "" if name == DEFAULT or not more else f"{median(more):+.1f}"
        made.add_row(VARIANTS[name].about, f"{median(own.values()):.1f}", difference, str(errors))
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.hotpath.observe", description="CPU cost of metrics, logs and traces."
    )
    names = ",".join(VARIANTS)
    parser.add_argument(
        "--variants",
        type=names_of(VARIANTS),
        default=list(VARIANTS),
        metavar="NAME,...",
        help=f"{names} (all)",
    )
    parser.add_argument("--rounds", type=positive, default=7, help="rounds per variant (7)")
    parser.add_argument("--seconds", type=positive, default=2, help="length of a round in seconds (2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write conditions and rounds")
    options = parser.parse_args(arguments)
    console = output_console()
    machine, cores = Machine.this(), Cores.split()
    cores.leave_proxy_core()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    samples: list[Sample] = []
    try:
        with interrupt_on_signals(), ExitStack() as stack:
            servers = start(options.variants, cores, stack)
            progress = stack.enter_context(Progress(*columns, console=console, transient=True))
            task = progress.add_task("warm-up", total=len(servers) * (options.rounds + 1))
            steps = interleave(servers, [WORKLOADS["small"]], options.rounds, options.seconds, cores)
            for done, sample in steps:
                progress.update(task, description=done, advance=1)
                if sample:
                    samples.append(sample)
    except (MissingError, StartError, LoadError) as error:
        Console(stderr=True).print(f"bench.hotpath.observe: {error}", highlight=False, markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("[bold red]Interrupted[/]: the table lacks the last rounds.")
    console.print(str(machine), highlight=False)
    console.print(table(samples))
    if options.json:
        content = {
            "machine": machine,
            "workloads": [WORKLOADS["small"]],
            "settings": {"rounds": options.rounds, "seconds per round": options.seconds},
            "versions": {"pylb": version("pylb")},
            "variants": {name: VARIANTS[name].about for name in options.variants},
            "samples": samples,
        }
        raw.write(options.json, content)
    return 0


if __name__ == "__main__":
    sys.exit(main())

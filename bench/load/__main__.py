"""The load test with everything that it needs: `python -m bench.load [ramp|burst] [options of Locust]`.

It starts a real Consul, a pylb, and Locust with bench/load/locustfile.py, which also runs the instances. All
arguments after the shape are passed to Locust: `--headless --users 50 --run-time 10m`. Without `--headless`,
Locust's web UI listens on 127.0.0.1 only.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from bench.lib.consul import serve_consul
from bench.lib.fleet import temporary_directory
from bench.lib.options import interrupt_on_signals
from bench.lib.packages import MissingError
from bench.lib.ports import free_port
from bench.lib.repository import REPOSITORY, module_command
from bench.lib.server import StartError, serve

LOCUSTFILE = "bench/load/locustfile.py"
SHAPES = {"ramp": "bench/load/ramp.py", "burst": "bench/load/burst.py"}
"""The shapes by name. Without one, the number of users is constant."""


@contextmanager
def environment() -> Iterator[list[str]]:
    """Start Consul and a pylb without instances. Yields the options that select them."""
    cores = sorted(os.sched_getaffinity(0))
    with ExitStack() as stack:
        consul = stack.enter_context(serve_consul(stack.enter_context(temporary_directory()), cores))
        listen, admin = free_port(), free_port()
        argv = ["--consul", f"127.0.0.1:{consul.port}", "--service", "web"]
        # With slow start, the shares of a short test would be uneven.
        argv += ["--slow-start", "0s", "--listen", f"127.0.0.1:{listen}", "--admin", f"127.0.0.1:{admin}"]
        command = module_command("pylb", *argv)
        pylb = stack.enter_context(
            serve("pylb", command, admin, stack.enter_context(temporary_directory()), cores)
        )
        pylb.wait_until_ready("/health")
        print(f"pylb listens on http://127.0.0.1:{listen}, its dashboard is {pylb.url}", file=sys.stderr)
        where = ["--host", f"http://127.0.0.1:{listen}", "--consul", f"127.0.0.1:{consul.port}"]
        yield [*where, "--pid", str(pylb.processes[0].pid), "--admin", pylb.url]


def command_line(arguments: Sequence[str]) -> list[str]:
    """The command line that starts Locust with these arguments."""
    shape, options = list(arguments[:1]), list(arguments[1:])
    if not SHAPES.keys() & shape:
        shape, options = [], list(arguments)
    files = ",".join([LOCUSTFILE, *(SHAPES[each] for each in shape)])
    return [sys.executable, "-m", "locust", "-f", files, "--web-host", "127.0.0.1", *options]


def main(arguments: Sequence[str]) -> int:
    """Run Locust. The exit code is 0 if all conditions of the test hold."""
    try:
        with interrupt_on_signals(), environment() as where:
            # Own session: on Ctrl-C, Locust receives one signal, from here, and evaluates the test so far.
            locust = subprocess.Popen(
                [*command_line(arguments), *where],
                cwd=REPOSITORY,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                return locust.wait()
            except KeyboardInterrupt:
                locust.terminate()
                return locust.wait()
    except (MissingError, StartError) as error:
        print(f"bench.load: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

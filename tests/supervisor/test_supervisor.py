"""The imports and the size of the supervisor; tests/scenarios/processes tests its behaviour."""

import subprocess
import sys
from pathlib import Path

import pytest

import pylb.supervisor.supervisor

LOADED = "import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"


def loaded(module):
    ran = subprocess.run(
        [sys.executable, "-c", LOADED.format(module=module)], capture_output=True, text=True, check=True
    )
    return set(ran.stdout.split())


@pytest.mark.parametrize("module", ["pylb.supervisor.supervisor", "pylb.supervisor.start"])
def test_the_supervisor_imports_neither_event_loop_nor_http(module):
    assert loaded(module) & {"asyncio", "uvloop", "aiohttp", "consul", "rich", "http"} == set()


def test_a_worker_imports_only_what_it_needs():
    assert (
        loaded("pylb.worker.process") & {"aiohttp", "consul", "aiodocker", "rich", "yarl", "opentelemetry"}
        == set()
    )


def test_the_supervisor_is_small():
    path = Path(pylb.supervisor.supervisor.__file__)
    for name in ("supervisor", "process_manager", "procedures", "slot", "child"):
        assert path.with_stem(name).read_text().count("\n") < 300

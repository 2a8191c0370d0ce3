"""The load test as a whole, with short runs."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bench.load.__main__ import LOCUSTFILE, SHAPES, command_line

ROOT = Path(__file__).parents[3]
OPTIONS = ["--headless", "--users", "12", "--spawn-rate", "12", "--run-time", "4s"]


def python(*argv):
    return subprocess.run([sys.executable, *argv], cwd=ROOT, capture_output=True, text=True)


def run(*argv):
    return python("-m", *argv)


def test_a_shape_adds_a_file_and_all_other_arguments_are_passed_to_locust():
    plain, burst = command_line(["--users", "40"]), command_line(["burst", "--users", "40"])
    assert plain[plain.index("-f") + 1] == LOCUSTFILE
    assert burst[burst.index("-f") + 1] == f"{LOCUSTFILE},{SHAPES['burst']}"
    assert plain[-2:] == burst[-2:] == ["--users", "40"]
    assert "burst" not in burst
    assert all((ROOT / path).exists() for path in (LOCUSTFILE, *SHAPES.values()))


@pytest.mark.slow
def test_shapes():
    """Runs in a separate process, because importing Locust replaces the sockets with those of gevent."""
    code = """
from bench.load.burst import Burst
from bench.load.ramp import Ramp
print([Ramp().users(now, 60, 50) for now in (0, 30, 59.9)])
print([Burst().users(now, 60, 50) for now in (0, 14.9, 15, 19.9, 20, 35)])
"""
    assert python("-c", code).stdout == "[0, 25, 50]\n[5, 5, 50, 50, 5, 50]\n"


@pytest.mark.slow
@pytest.mark.parametrize("shape", [[], *([shape] for shape in SHAPES)], ids=str)
def test_pylb_passes(shape):
    ended = run("bench.load", *shape, *OPTIONS, "--every", "0.3", "KeepAlive", "NewConnection", "Upload")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(r"failed requests +0 +✓", ended.stderr), ended.stderr
    assert re.search(r"same start times +\d+ before and after +✓", ended.stderr), ended.stderr
    assert re.search(r"changes +\d+ registrations, \d+ deregistrations +✓", ended.stderr), ended.stderr


@pytest.mark.slow
def test_websockets():
    """The test has too few connections to evaluate shares."""
    ended = run("bench.load", *OPTIONS, "WebSocket")
    assert re.search(r" requests +[1-9]\d+ +✓", ended.stderr), ended.stderr
    assert re.search(r"failed requests +0 +✓", ended.stderr), ended.stderr


@pytest.mark.slow
async def test_a_service_with_some_failures_fails_the_test():
    requests = 0

    async def answer(_):
        nonlocal requests
        requests += 1
        return web.Response(status=200 if requests % 2 else 500)

    app = web.Application()
    app.router.add_get("/", answer)
    async with TestServer(app) as server:
        argv = ["locust", "-f", LOCUSTFILE, "--headless", "--users", "2", "--run-time", "2s", "KeepAlive"]
        ended = await asyncio.to_thread(run, *argv, "--host", str(server.make_url("/")))
    assert ended.returncode == 1
    assert re.search(r"failed requests +[1-9]\d* +✗", ended.stderr), ended.stderr


@pytest.mark.slow
def test_a_host_without_a_scheme_is_an_error_of_one_line():
    ended = run("locust", "-f", LOCUSTFILE, "--headless", "--host", "127.0.0.1:8080")
    assert ended.returncode == 1
    assert "--host: got '127.0.0.1:8080', expected http://host:port" in ended.stderr
    assert "Traceback" not in ended.stderr

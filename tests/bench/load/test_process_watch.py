"""The watch detects a balancer whose processes were restarted or replaced."""

import asyncio
import subprocess
import sys

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bench.load.process_watch import ProcessWatch, ProcessWatchError

PARENT = """
import asyncio
import subprocess, sys
start = lambda: subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
child = start()
for line in sys.stdin:
    child.kill(), child.wait()
    child = start()
    print("another", flush=True)
child.kill(), child.wait()
"""


def test_a_replaced_child_is_detected():
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", PARENT], text=True, **pipes) as parent:
        parent.stdin.write("\n")
        parent.stdin.flush()
        parent.stdout.readline()
        process_watch = ProcessWatch(parent.pid)
        before = process_watch.processes()
        assert len(before) == 2
        assert process_watch.processes() == before
        parent.stdin.write("\n")
        parent.stdin.flush()
        parent.stdout.readline()
        assert len(process_watch.processes() & before) == 1
        parent.stdin.close()
    with pytest.raises(ProcessWatchError, match=f"process {parent.pid} does not exist"):
        process_watch.processes()


async def test_the_workers_of_a_remote_pylb_are_listed():
    worker = {"name": "worker 1", "pid": 7, "generation": 1, "applied": {}}

    async def workers(_):
        return web.json_response([worker])

    app = web.Application()
    app.router.add_get("/api/workers", workers)
    async with TestServer(app) as server:
        process_watch = ProcessWatch(admin=str(server.make_url("/")))
        assert await asyncio.to_thread(process_watch.processes) == {"worker 1, pid 7, generation 1"}
        worker["generation"] = 2
        assert await asyncio.to_thread(process_watch.processes) == {"worker 1, pid 7, generation 2"}
        worker.clear()
        with pytest.raises(ProcessWatchError, match="does not list workers"):
            await asyncio.to_thread(process_watch.processes)


def test_without_options_nothing_is_watched():
    assert ProcessWatch().processes() == frozenset()

"""The image: its user, number of workers, stop, and orphaned processes."""

import asyncio
import json

import pytest

from tests.docker.compose import ADMIN, PAGE
from tests.docker.traffic import get
from tests.until import until

pytestmark = pytest.mark.slow

PUBLISHED = ("--publish=8080:80", "--publish=127.0.0.1:8081:8081")


@pytest.fixture
def lb(own_engine):
    """Start pylb in a container before one sample web service; return how to."""
    own_engine.docker("network", "create", "alone")
    own_engine.docker(
        *("run", "--detach", "--name=web", "--network=alone", "pylb"),
        *("demo-backend", "--listen", "0.0.0.0:8000"),
    )

    def run(*arguments, options=()):
        own_engine.docker(
            *("run", "--detach", "--name=lb", "--network=alone", *PUBLISHED, *options, "pylb"),
            *("--static", "web:8000", "--service", "web", *arguments),
        )
        return own_engine

    yield run
    own_engine.docker("rm", "--force", "lb", "web")
    own_engine.docker("network", "rm", "alone")


async def until_it_answers(engine):
    async with asyncio.timeout(30):
        while (await get(engine, PAGE))[0] != 200:
            await asyncio.sleep(0.05)


def processes(engine):
    """What runs in the container: the state and the command line of each."""
    lines = engine.docker("top", "lb", "-eo", "pid,stat,args").splitlines()[1:]
    return [line.split(None, 2)[1:] for line in lines]


def workers(engine):
    return [command for _, command in processes(engine) if "pylb worker" in command]


async def test_the_image_runs_without_root_and_has_a_health_check(lb):
    engine = lb()
    await until_it_answers(engine)
    user = engine.docker("exec", "lb", "python3", "-c", "import os; print(os.getuid(), os.getgid())")
    assert user == "10001 10001"
    await until(
        lambda: engine.docker("inspect", "--format", "{{.State.Health.Status}}", "lb") == "healthy", 30
    )


@pytest.mark.parametrize(
    ("options", "arguments", "expected"),
    [(["--cpus=1"], [], 1), (["--cpus=1.5"], [], 2)],
    ids=["one CPU is one worker", "one and a half are two workers"],
)
async def test_the_number_of_workers_follows_the_cpu_limit(lb, options, arguments, expected):
    engine = lb(*arguments, options=options)
    await until_it_answers(engine)
    assert len(workers(engine)) == expected


@pytest.mark.parametrize("number", [1, 2])
async def test_docker_stop_finishes_requests_and_exits_with_0(lb, number):
    engine = lb(f"--workers={number}")
    await until_it_answers(engine)
    async with asyncio.TaskGroup() as asking:
        slow = asking.create_task(get(engine, f"{PAGE}slow?seconds=1.5"))
        await until_in_flight(engine)
        await asyncio.to_thread(engine.docker, "stop", "--time=20", "lb")
    assert slow.result()[0] == 200
    state = json.loads(engine.docker("inspect", "--format", "{{json .State}}", "lb"))
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False)
    assert "Traceback" not in engine.command("docker", "logs", "lb").stderr.decode()


async def until_in_flight(engine):
    """Wait until the load balancer has one request that is not answered yet."""
    async with asyncio.timeout(20):
        while True:
            _, pools = await get(engine, f"{ADMIN}/pools")
            if json.loads(pools)["web"]["backends"][0]["in_flight"]:
                return


async def test_process_1_reaps_orphans(lb):
    engine = lb("--workers=2")
    await until_it_answers(engine)
    engine.docker("exec", "lb", "sh", "-c", "sleep 0.2 & sleep 0.2 &")
    engine.docker("exec", "lb", "python3", "-c", KILL_A_WORKER)
    await until(lambda: len(workers(engine)) == 2, 30)
    await until(lambda: not [command for state, command in processes(engine) if state.startswith("Z")], 20)
    assert "sleep" not in str(processes(engine))
    await until_it_answers(engine)


KILL_A_WORKER = r"""
import os, pathlib
for folder in pathlib.Path("/proc").glob("[0-9]*"):
    if b"pylb\0worker" in (folder / "cmdline").read_bytes():
        os.kill(int(folder.name), 9)
        break
"""

"""USR2: another pylb takes over the sockets; if it cannot, the old one goes on."""

import asyncio
import json
import os
import signal
import sys

import aiohttp
import pytest

from tests.scenarios.processes.program import CLEAN
from tests.until import until

pytestmark = pytest.mark.slow


async def test_an_upgrade_loses_nothing(program):
    pylb = program()
    for _ in range(2):
        await pylb.origin()
    await pylb.start()
    old = pylb.pid
    async with pylb.clients(16) as clients:
        await clients.more()
        pylb.send(signal.SIGUSR2)
        assert await pylb.ended() == 0
        await clients.more()
        new = pylb.pid
        assert new != old
        pylb.send(signal.SIGHUP)
        await pylb.logged("generation 2 serves")
        await clients.more()
    assert clients.failures == {}
    assert set(clients.answers) == {"web-1", "web-2"}
    status, output = await pylb.get("/ready")
    assert status == 200, output
    await until(lambda: len(pylb.family()) == 4, 20)
    os.kill(new, signal.SIGTERM)
    await pylb.gone()
    assert not pylb.pid_file.exists()


@pytest.mark.logs_error(r"upgrade given up")
async def test_an_upgrade_that_cannot_start_is_aborted(program, tmp_path):
    options = tmp_path / "pylb.env"
    options.write_text("")
    pylb = program("--env-file", str(options))
    await pylb.origin()
    await pylb.start()
    before = {p.pid for p in pylb.family()}
    options.write_text("PYLB_POLICY=nonsense\n")
    async with pylb.clients(4) as clients:
        pylb.send(signal.SIGUSR2)
        await pylb.logged(
            "upgrade given up: the new pylb ended with exit code 2, see its log; this one continues"
        )
        await clients.more()
    assert clients.failures == {}
    assert {p.pid for p in pylb.family()} == before


async def test_an_upgrade_waits_for_the_registry(program, own_consul):
    """The old one knows its instances; the new one would have none."""
    pylb = program("--consul", own_consul.http, "--service", "web")
    origin = await pylb.origin()
    await pylb.start()
    body = {"ID": "web-1", "Name": "web", "Address": "127.0.0.1", "Port": origin.endpoint.port}
    await put(own_consul, "agent/service/register", body)
    async with asyncio.timeout(20):
        while (await pylb.get("/", admin=False))[0] != 200:
            await asyncio.sleep(0.05)
    await asyncio.to_thread(own_consul.kill)
    async with pylb.clients(4) as clients:
        pylb.send(signal.SIGUSR2)
        await pylb.logged("upgrade: begun")
        await until(lambda: len(pylb.family()) == 8, 20)
        await clients.more(200)
        registered = 'service { id = "web-1" name = "web" address = "127.0.0.1" port = %d }'
        await asyncio.to_thread(own_consul.start, f"-hcl={registered % origin.endpoint.port}")
        assert await pylb.ended() == 0
        await clients.more()
    assert clients.failures == {}


async def put(consul, path, body):
    async with aiohttp.ClientSession() as http, http.put(f"{consul.url}/v1/{path}", json=body) as answer:
        assert answer.status == 200


async def test_an_upgrade_by_command(program):
    pylb = program()
    await pylb.origin()
    await pylb.start()
    assert await command("reload", pylb) == f"pylb, process {pylb.pid}: generation 2 serves\n"
    former = pylb.pid
    output = await command("upgrade", pylb)
    assert output == f"pylb, process {former}: process {pylb.pid} has taken over\n"
    assert await pylb.ended() == 0
    assert await command("reload", pylb) == f"pylb, process {pylb.pid}: generation 2 serves\n"
    assert await command("stop", pylb) == f"sent SIGTERM to pylb, process {pylb.pid}\n"
    await pylb.gone()
    assert "cannot read" in await command("stop", pylb, expected=1)
    assert not pylb.pid_file.with_name("pylb.pid.outcome").exists()


@pytest.mark.logs_error("reload refused: PYLB_POLICY")
@pytest.mark.logs_error("upgrade given up")
async def test_an_upgrade_with_rejected_options_prints_the_reason_and_exits_with_1(program, tmp_path):
    options = tmp_path / "pylb.env"
    options.write_text("PYLB_POLICY=round-robin\n")
    pylb = program("--env-file", str(options))
    await pylb.origin()
    await pylb.start()
    options.write_text("PYLB_POLICY=nonsense\n")
    output = await command("reload", pylb, expected=1)
    assert output.startswith("pylb: reload refused: PYLB_POLICY: got 'nonsense', expected one of least-conn")
    assert output.endswith("; generation 1 continues\n")
    output = await command("upgrade", pylb, expected=1)
    assert output.startswith("pylb: upgrade given up: the new pylb ended with exit code 2, see its log")
    options.write_text("PYLB_POLICY=random\nPYLB_SHUTDOWN_DELAY=1s\nPYLB_DRAIN_TIMEOUT=20s\n")
    output = await command("reload", pylb)
    flags = "--drain-timeout, --shutdown-delay"
    assert output.endswith(f": generation 2 serves; only pylb upgrade changes {flags}\n")
    await pylb.logged(f"reload: only an upgrade changes {flags}")


async def test_the_commands_work_with_one_worker(program):
    pylb = program(workers=1)
    await pylb.origin()
    await pylb.start()
    async with pylb.clients(4) as clients:
        await clients.more()
        assert (await command("reload", pylb)).endswith(": generation 2 serves\n")
        before = pylb.pid
        assert "has taken over" in await command("upgrade", pylb)
        assert pylb.pid != before
        await clients.more()
    assert clients.failures == {}
    assert "sent SIGTERM" in await command("stop", pylb)
    await until(lambda: not pylb.family(), 30)


async def command(name, pylb, expected=0):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pylb", name, "--pid-file", str(pylb.pid_file)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=CLEAN,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == expected, output
    return output.decode()


async def test_from_two_workers_to_three_and_to_one(program, tmp_path):
    """What an upgrade can change that a reload cannot."""
    options = tmp_path / "pylb.env"
    options.write_text("")
    pylb = program("--env-file", str(options), workers=None)
    await pylb.origin()
    decided = []
    for number, workers in enumerate((2, 3, 1)):
        options.write_text(f"PYLB_WORKERS={workers}\n")
        if not number:
            await pylb.start()
            clients = pylb.clients(8)
        else:
            before = pylb.pid
            pylb.send(signal.SIGUSR2)
            await until(lambda before=before: pylb.pid != before, 60)
        await clients.more()
        await until(lambda count=workers + 2: len(pylb.family()) == count, 60)
        if not number:
            decided.append(await decide(pylb, action="policy", policy="random"))
        assert await listed(pylb, "overrides") == decided
    async with clients:
        await clients.more()
    assert clients.failures == {}


async def test_an_upgrade_keeps_overrides_and_history(program):
    """Also what they decide while the new pylb gets ready; the old one answers them until it has ended."""
    pylb = program()
    for _ in range(3):
        await pylb.origin()
    await pylb.start()
    first, second, _ = (origin.endpoint.authority for origin in pylb.origins)
    kept = await decide(pylb, action="drain", backend=first, seconds=3600, reason="new kernel")
    await decide(pylb, action="policy", policy="random")
    async with pylb.clients(4) as clients:
        await clients.more()
        clients.answers.clear()
        pylb.send(signal.SIGUSR2)
        await until(lambda: len(pylb.family()) == 8, 30)
        late = await decide(pylb, action="drain", backend=second)
        await revoke(pylb, kept["id"] + 1)
        assert await pylb.ended() == 0
        await clients.more()
        clients.answers.clear()
        await clients.more()
        assert set(clients.answers) == {"web-3"}
    assert clients.failures == {}
    assert await listed(pylb, "overrides") == [kept, late]
    history = await listed(pylb, "history")
    assert [entry["number"] for entry in history] == list(range(1, len(history) + 1))
    causes = [entry["cause"] for entry in history]
    assert [cause for cause in causes if cause.startswith("operator: ")][:4] == [
        f"operator: drain {first} (new kernel)",
        "operator: policy random for static",
        f"operator: drain {second}",
        "operator: end of policy random for static",
    ]
    pylb.send(signal.SIGHUP)
    await pylb.logged("generation 2 serves")
    assert await listed(pylb, "overrides") == [kept, late]
    assert (await listed(pylb, "history"))[: len(history)] == history


async def decide(pylb, **decision):
    url = f"{pylb.admin}/api/overrides"
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, json={"service": "static", **decision}) as answer,
    ):
        assert answer.status == 201, await answer.text()
        return await answer.json()


async def revoke(pylb, number):
    url = f"{pylb.admin}/api/overrides/{number}"
    async with aiohttp.ClientSession() as http, http.delete(url) as answer:
        assert answer.status == 200


async def listed(pylb, what):
    return json.loads((await pylb.get(f"/api/{what}"))[1])

"""The orderly end, and other ends."""

import asyncio
import json
import os
import pty
import signal
import sys
import time
from contextlib import suppress

import pytest

from tests.scenarios.processes.program import CLEAN, closed
from tests.until import until

pytestmark = pytest.mark.slow

BOTH = pytest.mark.parametrize("workers", [1, 2])

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class HeldResponse:
    """An origin that begins its responses and ends them on command."""

    def __init__(self):
        self.release = asyncio.Event()

    async def __call__(self, reader, writer):
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhe")
            await self.release.wait()
            writer.write(b"ld")


async def connect(pylb):
    return await asyncio.open_connection(*pylb.url.removeprefix("http://").split(":"))


async def until_refused(pylb):
    """Connections that the kernel still takes are closed; in the end it takes none."""
    with pytest.raises(ConnectionRefusedError):
        await asyncio.wait_for(keep_connecting(pylb), 10)


async def keep_connecting(pylb):
    while True:
        _, writer = await connect(pylb)
        await closed(writer)


@BOTH
async def test_a_stop_fails_ready_then_closes_the_port_then_ends(program, workers):
    retained = HeldResponse()
    pylb = program("--shutdown-delay", "1s", workers=workers)
    await pylb.origin(retained)
    await pylb.start()
    idle_reader, idle_writer = await connect(pylb)
    reader, writer = await connect(pylb)
    writer.write(GET)
    await reader.readuntil(b"he")

    pylb.send(signal.SIGTERM)
    await pylb.logged("SIGTERM: stopping; a second signal stops immediately")
    await pylb.logged("pylb is leaving")
    status, body = await pylb.get("/ready")
    assert (status, json.loads(body)["reasons"]) == (503, ["pylb is leaving"])
    late_reader, late_writer = await connect(pylb)
    late_writer.write(GET)
    await asyncio.wait_for(late_reader.readuntil(b"he"), 10)
    assert idle_reader.at_eof() is False

    await pylb.logged("pylb is draining")
    await until(lambda: idle_reader.at_eof() or idle_reader._eof, 10)
    await until_refused(pylb)
    assert (await pylb.get("/ready"))[0] == 503, "control can be asked to the end"
    retained.release.set()
    for each in (reader, late_reader):
        assert (await asyncio.wait_for(each.readexactly(2), 10)) == b"ld"
    assert await pylb.ended() == 0
    await pylb.logged("pylb is stopped")
    for each in (idle_writer, writer, late_writer):
        await closed(each)
    await pylb.gone()
    assert not pylb.pid_file.exists()


@BOTH
async def test_requests_beyond_the_drain_timeout_are_aborted_and_counted(program, workers):
    pylb = program("--drain-timeout", "500ms", workers=workers)
    await pylb.origin(HeldResponse())
    await pylb.start()
    reader, writer = await connect(pylb)
    writer.write(GET)
    await reader.readuntil(b"he")
    pylb.send(signal.SIGTERM)
    await pylb.logged("1 connections were closed: they had not ended in 0.5 s")
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        await reader.readexactly(2)
    assert await pylb.ended() == 0
    await closed(writer)


@BOTH
@pytest.mark.parametrize(
    "signals", [[signal.SIGTERM, signal.SIGTERM], [signal.SIGQUIT]], ids=["twice", "quit"]
)
async def test_a_second_signal_ends_all_processes_immediately(program, workers, signals):
    pylb = program("--shutdown-delay", "60s", workers=workers)
    await pylb.origin(HeldResponse())
    await pylb.start()
    reader, writer = await connect(pylb)
    writer.write(GET)
    await reader.readuntil(b"he")
    for place, number in enumerate(signals):
        if place:
            await pylb.logged("pylb is leaving")  # Until it was taken, a second one would be the same.
        pylb.send(number)
    began = time.monotonic()
    assert await pylb.ended() == 0
    assert time.monotonic() - began < 20, "a third of --shutdown-delay"
    await closed(writer)
    await pylb.gone()


async def test_a_killed_pylb_leaves_nothing_behind(program):
    """What `docker stop` does in the end, to all processes of a container; here each has to find out."""
    pylb = program()
    await pylb.origin()
    await pylb.start()
    os.kill(pylb.pid, signal.SIGKILL)
    await pylb.gone()
    complaints = [line for line in pylb.lines if "Traceback" in line or " ERROR " in line]
    assert not complaints, "\n".join(pylb.lines)


async def test_ctrl_c_in_a_terminal_ends_all_processes_in_order(program):
    """The terminal sends INT to the whole foreground group; only the supervisor may receive it."""
    pylb = program()
    origin = await pylb.origin()
    master, slave = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pylb", "--static", origin.endpoint.authority, "--workers", "2"),
        *("--listen", "127.0.0.1:0", "--admin", "off", "--pid-file", str(pylb.pid_file)),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=CLEAN,
        start_new_session=True,
        preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),
    )
    os.close(slave)
    output = b""

    def read():
        nonlocal output
        with suppress(OSError):  # A terminal without a process on its other side has no end of file.
            output += os.read(master, 4096)

    loop = asyncio.get_running_loop()
    loop.add_reader(master, read)
    await until(lambda: b"listens on" in output, 60)
    os.write(master, b"\x03")
    await asyncio.wait_for(process.wait(), 60)
    loop.remove_reader(master)
    os.close(master)
    assert process.returncode == 0
    assert b"SIGINT: stopping; a second signal stops immediately" in output
    assert b"Traceback" not in output
    assert b"ERROR" not in output
    await pylb.gone()


@pytest.mark.logs_error(r"\(pid \d+\) ended with exit code 1;")
@pytest.mark.logs_error(r"giving up: .* cannot start")
async def test_a_child_that_cannot_start_is_a_one_line_error(program, tmp_path):
    """Something that only children do fails, again and again."""
    pylb = program(PYTHONPATH=f"{broken(tmp_path)}:{os.environ.get('PYTHONPATH', '')}")
    await pylb.origin()
    await pylb.start(serving=False)
    assert await pylb.ended() == 1
    await pylb.logged("giving up: (worker .|control) cannot start")
    assert len([line for line in pylb.lines if "giving up" in line]) == 1
    await pylb.logged(r"^pylb: cannot load the program: RuntimeError: broken \(.*uvloop.py, line 1\)")
    assert not [line for line in pylb.lines if "Traceback" in line]
    await pylb.gone()
    assert not pylb.pid_file.exists()


@pytest.mark.logs_error(r"worker \d \(pid \d+\) was killed by SIGKILL")
@pytest.mark.logs_error(r"\(pid \d+\) ended with exit code 1;")
async def test_a_child_that_no_longer_starts_is_retried_with_back_off(program, tmp_path):
    """The code on disk was broken after the start: serving workers continue until it is repaired."""
    directory = tmp_path / "late"
    directory.mkdir()
    pylb = program(PYTHONPATH=f"{directory}:{os.environ.get('PYTHONPATH', '')}")
    await pylb.origin()
    await pylb.start()
    (directory / "uvloop.py").write_text("raise RuntimeError('broken')")
    pylb.processes("worker")[0].kill()
    await pylb.logged("ended with exit code 1; another one starts in 0.8 s")
    assert (await pylb.get("/ready"))[0] == 200
    (directory / "uvloop.py").unlink()
    await pylb.logged(r"worker \d is serving", 3)
    assert len(pylb.processes("worker")) == 2


def broken(tmp_path):
    """A directory before all others, in which what workers need is broken."""
    directory = tmp_path / "broken"
    directory.mkdir()
    (directory / "uvloop.py").write_text("raise RuntimeError('broken')")
    return directory


async def test_a_port_in_use_is_a_one_line_error(program):
    first = program()
    await first.origin()
    await first.start()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pylb", "--static", "127.0.0.1:1", "--workers", "2"),
        *("--listen", first.url.removeprefix("http://")),
        stderr=asyncio.subprocess.PIPE,
        env=CLEAN,
    )
    _, output = await asyncio.wait_for(process.communicate(), 60)
    address = first.url.removeprefix("http://")
    assert output.decode() == f"pylb: --listen: cannot listen on {address}: Address already in use\n"
    assert process.returncode == 1
    assert (await first.get("/", admin=False))[0] == 200


async def test_an_unusable_state_directory_is_a_one_line_error(program):
    pylb = program("--state-dir", "/proc/none", "--static", "127.0.0.1:1")
    await pylb.start(serving=False)
    assert await pylb.ended() == 1
    assert pylb.lines == ["pylb: --state-dir: cannot create /proc/none: No such file or directory"]

"""`pylb demo` as a process: its output, its keys, and the end of all its processes."""

import asyncio
import fcntl
import os
import pty
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import termios
from collections import Counter
from contextlib import contextmanager

import pytest

from pylb.config.parse import parse
from pylb.errors import UsageError
from pylb.tools.demo.command import DemoOptions
from tests.tools.demo.processes import alive, descendants
from tests.until import until

pytestmark = pytest.mark.slow

ANSWERED_BY = re.compile(r"answered by (\S+) at")
FREE = ("--port", "free", "--admin-port", "free", "--registry-port", "free")


class Demo:
    """A running `pylb demo` and its output."""

    def __init__(self, process, output):
        self.process = process
        self._output = output
        self._written = b""
        os.set_blocking(output, False)

    @property
    def text(self):
        """The output without colours and cursor movements."""
        try:
            while more := os.read(self._output, 65536):
                self._written += more
        except OSError:  # nothing there now, or a terminal that nobody writes to any more
            pass
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self._written.decode().replace("\r\n", "\n"))

    async def shows(self, pattern, seconds=20.0):
        return await until(lambda: re.search(pattern, self.text), seconds)

    async def url(self):
        return (await self.shows(r"Browser +(\S+)"))[1]

    async def command(self, instance):
        """The command that registers this instance."""
        pattern = rf"""(curl -X PUT [^']*'{{"Name": "web",\s+"ID": "{instance}",[^']*')"""
        return (await self.shows(pattern))[1]

    async def started(self):
        """Wait until three instances receive requests and a fourth is in reserve; return all processes."""
        await self.command("web-4")
        await self.shows(r"3 routable")
        return {self.process.pid, *descendants(self.process.pid)}

    async def ended(self):
        """Return the exit code. Reads the output meanwhile, because the demo would block on a full pipe."""
        await until(lambda: (self.text, self.process.poll())[1] is not None, 20)
        return self.process.returncode

    def go_away(self):
        """Close the pipe or the terminal."""
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, self._output)
        os.close(nowhere)


@contextmanager
def running(command, output, **streams):
    process = subprocess.Popen(command, stderr=subprocess.STDOUT, **streams)
    try:
        yield Demo(process, output)
    finally:
        process.kill()
        process.wait()
        os.close(output)


@pytest.fixture
def plain():
    """A demo whose output goes into a pipe."""
    reader, writer = os.pipe()
    with running(
        [sys.executable, "-m", "pylb", "demo", *FREE], reader, stdin=subprocess.DEVNULL, stdout=writer
    ) as demo:
        os.close(writer)
        yield demo


CONTROLLING = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Makes standard input the controlling terminal of a new session, so that Ctrl-C reaches the program."""


@pytest.fixture
def terminal():
    """A demo on a separate terminal; `press` types on it."""
    keyboard, screen = pty.openpty()
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    before = termios.tcgetattr(screen)
    command = [sys.executable, "-c", CONTROLLING, sys.executable, "-m", "pylb", "demo", *FREE]
    environment = os.environ | {"TERM": "xterm-256color"}
    with running(command, keyboard, stdin=screen, stdout=screen, env=environment) as demo:
        demo.press = lambda keys: os.write(keyboard, keys)
        demo.restored = lambda: termios.tcgetattr(screen) == before
        yield demo
    os.close(screen)


async def ask(http, url, times=1):
    """Return the number of responses by instance."""
    answered = Counter()
    for _ in range(times):
        async with http.get(url) as answer:
            assert answer.status == 200
            answered[ANSWERED_BY.search(await answer.text())[1]] += 1
    return answered


@pytest.mark.slow
async def test_thirty_requests_reach_three_instances_and_a_pasted_command_adds_a_fourth(plain, http):
    processes = await plain.started()
    url = await plain.url()
    answered = await ask(http, url, 30)
    assert set(answered) == {"web-1", "web-2", "web-3"}
    assert min(answered.values()) >= 5

    _, _, method, place, _, data = shlex.split(await plain.command("web-4"))
    async with http.request(method, f"http://{place}", data=data) as answer:
        assert answer.status == 200
    async with asyncio.timeout(1):
        while "web-4" not in await ask(http, url):
            pass
    await plain.shows(r"\+web-4\n")
    await plain.shows(r"\d+ requests, 0 failed: web-1 \d+, web-2 \d+, web-3 \d+")
    await plain.command("web-5")

    processes |= descendants(plain.process.pid)
    plain.process.terminate()
    assert await plain.ended() == 0
    assert plain.text.endswith("pylb demo and all its processes have ended\n")
    assert "\x1b" not in plain.text
    assert alive(processes) == set()


@pytest.mark.slow
async def test_keys_add_and_remove_instances_without_a_failed_request_and_ctrl_c_ends_all(terminal, http):
    processes = await terminal.started()
    url = await terminal.url()
    asking = True

    async def client():
        answered = Counter()
        while asking:
            answered += await ask(http, url)
        return answered

    clients = asyncio.gather(*(client() for _ in range(4)))
    terminal.press(b"+")
    await terminal.shows(r"\+web-4")
    async with asyncio.timeout(1):
        while "web-4" not in await ask(http, url):
            pass
    processes |= descendants(terminal.process.pid)
    terminal.press(b"-")
    await terminal.shows(r"-web-4")
    await terminal.shows(r"web-4 has ended")
    asking = False
    assert "web-4" in sum(await clients, Counter())
    assert set(await ask(http, url, 30)) == {"web-1", "web-2", "web-3"}

    processes |= descendants(terminal.process.pid)
    terminal.press(b"\x03")
    assert await terminal.ended() == 0
    assert terminal.text.endswith("pylb demo and all its processes have ended\n")
    assert terminal.restored()
    assert alive(processes) == set()


@pytest.mark.slow
async def test_q_ends_the_demo(terminal):
    await terminal.started()
    terminal.press(b"q")
    assert await terminal.ended() == 0


@pytest.mark.slow
async def test_a_closed_terminal_ends_the_demo(terminal):
    processes = await terminal.started()
    terminal.go_away()
    await terminal.ended()
    await until(lambda: not alive(processes))


@pytest.mark.slow
async def test_a_killed_demo_leaves_no_process(plain):
    processes = await plain.started()
    plain.process.kill()
    await until(lambda: not alive(processes))


@pytest.mark.slow
async def test_a_closed_pipe_ends_the_demo(plain, http):
    processes = await plain.started()
    url = await plain.url()
    plain.go_away()
    await ask(http, url)
    assert await plain.ended() == 0
    assert alive(processes) == set()


@pytest.mark.slow
async def test_ctrl_c_during_the_start_ends_the_demo():
    reader, writer = os.pipe()
    command = [sys.executable, "-m", "pylb", "demo", *FREE]
    with running(command, reader, stdin=subprocess.DEVNULL, stdout=writer) as demo:
        os.close(writer)
        await demo.shows(r"starting a registry")
        await until(lambda: descendants(demo.process.pid), 20)
        processes = descendants(demo.process.pid)
        demo.process.send_signal(signal.SIGINT)
        assert await demo.ended() == 0
        assert "Traceback" not in demo.text
        await until(lambda: not alive(processes))


@pytest.mark.slow
async def test_ports_in_use_are_replaced_and_reported(http):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        wished = ("--port", str(port), "--registry-port", str(port), "--admin-port", str(port))
        reader, writer = os.pipe()
        command = [sys.executable, "-m", "pylb", "demo", "--instances", "1", *wished]
        with running(command, reader, stdin=subprocess.DEVNULL, stdout=writer) as demo:
            os.close(writer)
            await demo.shows("1 routable")
            assert demo.text.count(f"(port {port} is in use)") == 3
            assert set(await ask(http, await demo.url(), 2)) == {"web-1"}


def test_an_invalid_host_is_a_one_line_error_with_code_1():
    ended = subprocess.run(
        [sys.executable, "-m", "pylb", "demo", *FREE, "--host", "192.0.2.1"],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert ended.returncode == 1
    assert ended.stderr == "pylb: --host: cannot listen on 192.0.2.1:0: Cannot assign requested address\n"


@pytest.mark.parametrize(("text", "port"), [("free", 0), ("1", 1), ("65535", 65535)])
def test_a_port_is_a_number_or_free(text, port):
    assert parse(DemoOptions, ["--port", text], {}).port == port


@pytest.mark.parametrize("text", ["0", "65536", "http", ""])
def test_an_invalid_port_is_rejected(text):
    with pytest.raises(UsageError, match=f"--port: got '{text}', expected a port from 1 to 65535, or free"):
        parse(DemoOptions, ["--port", text], {})

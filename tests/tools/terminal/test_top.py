import asyncio
import os
import pty
import sys

import pytest

from pylb.model import Endpoint, Excluded
from pylb.tools.terminal.top import bars

ONE, TWO = (Endpoint("web", f"10.0.0.{n}", 80, id=f"web-{n}") for n in (1, 2))


def test_bars_are_proportional_to_the_values():
    assert bars([0, 5, 10]) == "▁▄█"
    assert bars([0, 0]) == "▁▁"
    assert bars([]) == ""


async def test_services_backends_and_changes_are_shown(pylb, know, command, capsys):
    know("web", ONE, excluded=(Excluded(TWO, "critical: refused"),))
    assert await command("top", "--once", "--admin", pylb) == 0
    out = capsys.readouterr().out
    for words in ("pylb starting", "web-1", "10.0.0.1:80", "web-2", "critical: refused", "consul index 7"):
        assert words in out
    assert "error: api service 'api': the registry has not answered yet" in out


@pytest.mark.parametrize("name", ["top", "history", "explain"])
async def test_no_running_pylb_is_a_one_line_error(command, capsys, name, unused_tcp_port):
    assert await command(name, "--admin", f"127.0.0.1:{unused_tcp_port}") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"pylb: --admin: no pylb answers at 127.0.0.1:{unused_tcp_port}: ")
    assert captured.err.count("\n") == 1


@pytest.mark.slow
async def test_on_a_terminal_it_updates_until_interrupted(pylb, know):
    know("web", ONE)
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pylb", "top", "--admin", pylb),
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "160", "LINES": "40"},
    )
    os.close(theirs)

    async def shown(words):
        seen = b""
        while words not in seen:
            seen += await asyncio.wait_for(asyncio.to_thread(os.read, ours, 65536), 20)

    await shown(b"web-1")
    know("web", ONE, TWO)
    await shown(b"web-2")
    process.send_signal(2)
    assert await asyncio.wait_for(process.wait(), 10) == 0
    os.close(ours)

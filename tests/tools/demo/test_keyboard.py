import asyncio
import os
import pty
import signal
import sys
import termios

import pytest

from pylb.tools.demo.keyboard import keys
from tests.until import until


@pytest.fixture
def terminal(monkeypatch):
    """The keyboard's end of a terminal that is standard input."""
    keyboard, stdin = pty.openpty()
    monkeypatch.setattr(sys, "stdin", os.fdopen(stdin))
    yield keyboard
    sys.stdin.close()


async def test_keys_arrive_one_by_one_without_enter(terminal):
    pressed = []
    with keys(pressed.append):
        os.write(terminal, b"+")
        await until(lambda: pressed == ["+"])
        os.write(terminal, "-é\xfft".encode())
        await until(lambda: pressed == ["+", "-", "é", "ÿ", "t"])


async def test_the_terminal_is_restored(terminal):
    before = termios.tcgetattr(sys.stdin)
    pressed = []
    with keys(pressed.append):
        assert termios.tcgetattr(sys.stdin) != before
    assert termios.tcgetattr(sys.stdin) == before
    os.write(terminal, b"+\n")
    await asyncio.sleep(0)
    assert pressed == []


async def test_a_closed_terminal_raises_sighup(terminal):
    hung_up = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hung_up.set)
    with keys(lambda key: None):
        os.close(terminal)
        await until(hung_up.is_set)
    asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)

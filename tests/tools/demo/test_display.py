"""Content that every display shows."""

import io
import logging
import re
import time

import pytest
from rich.console import Console

from pylb.tools.demo.display import clock
from pylb.tools.demo.lines import Lines
from pylb.tools.demo.screen import Screen
from tests.tools.demo.frames import COMMAND, LINKS, frame


@pytest.fixture(params=["screen", "lines"])
def display(request, capsys, monkeypatch):
    """A display; `text` returns its content."""
    if request.param == "lines":
        display = Lines()
        display.text = lambda: capsys.readouterr().out
    else:
        from contextlib import nullcontext

        monkeypatch.setattr("pylb.tools.demo.screen.keys", lambda press: nullcontext())
        console = Console(file=io.StringIO(), force_terminal=True, width=100, height=40)
        display = Screen(console)
        display.text = lambda: re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", console.file.getvalue())
    return display


def test_links_counts_command_and_messages_are_shown(display):
    with display.open(LINKS, lambda key: None):
        display.log_handler.handle(
            logging.LogRecord("x", logging.INFO, "", 1, "%s has come", ("web-2",), None)
        )
        display.show(frame())
        text = display.text()
    for words in ("http://127.0.0.1:8080/", "port 80 is in use", "curl here", "8 requests", "1 failed"):
        assert words in text
    assert " ".join(COMMAND.split()) in " ".join(text.split())
    assert re.search(r"\d\d:\d\d:\d\d\.\d\d\d +web-2 has come", text)


def test_the_clock_is_local_time_in_milliseconds():
    record = logging.LogRecord("x", logging.INFO, "", 1, "", (), None)
    record.created = time.mktime((2026, 11, 22, 7, 8, 9, 0, 0, -1))
    record.msecs = 42.9
    assert clock(record) == "07:08:09.042"

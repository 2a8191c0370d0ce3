import io
import logging
import os
import pty
import re
import sys

import pytest
from rich.console import Console

from pylb.tools.demo.scoreboard import Row
from pylb.tools.demo.screen import MESSAGES, LogPanel, Screen, render
from tests.tools.demo.frames import COMMAND, LINKS, frame
from tests.until import until


def drawn_lines(shown, messages=(), width=80, height=None):
    """Return the lines of a screen, without colours."""
    console = Console(file=io.StringIO(), width=width, height=height)
    console.print(render(LINKS, shown, messages))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def line(lines, start):
    return next(each for each in lines if each.startswith(f" {start}"))


def test_each_instance_has_one_line():
    lines = drawn_lines(frame())
    assert re.fullmatch(r" web-1 +127\.0\.0\.1:41001 +4711 +up +6 +2 +━+╸?━* +75%", line(lines, "web-1"))
    assert re.fullmatch(r" web-2 +127\.0\.0\.1:41002 +up +2 +0 +━+╸?━* +25%", line(lines, "web-2"))


def test_an_excluded_instance_has_its_reason():
    lines = drawn_lines(frame())
    assert re.fullmatch(r" web-7 +127\.0\.0\.1:41007 +excluded +0 +0", line(lines, "web-7 "))
    assert line(lines, "web-7:") == " web-7: critical: connection refused"


def test_text_from_the_registry_cannot_control_the_terminal():
    evil = "x\n\x1b[2J[/red]"
    rows = (Row(evil, evil, "excluded", up=False, reason=f"critical: {evil}"),)
    lines = drawn_lines(frame(rows=rows), [("12:00:00.000", f"+{evil}")], width=200)
    assert all(each.isprintable() for each in lines)
    assert sum(r"x\n\x1b[2J[/red]" in each for each in lines) == 3


@pytest.mark.parametrize("width", [80, 100, 200])
def test_lines_fit_the_terminal_and_the_command_is_complete(width):
    lines = drawn_lines(frame(), [("12:00:00.000", "x" * 300)], width)
    assert max(map(len, lines)) <= width
    assert COMMAND in "\n".join(each.strip() for each in lines)


def test_a_terminal_with_few_lines_shows_the_latest_messages():
    messages = [(f"12:00:00.{number:03}", f"message {number}") for number in range(8)]
    lines = drawn_lines(frame(), messages)
    panel = [each for each in lines if "message" in each]
    assert panel[0] == " 12:00:00.007  message 7"
    assert lines.index(panel[2]) < 24


def test_the_height_is_the_same_while_the_next_instance_starts():
    assert len(drawn_lines(frame(command=""))) == len(drawn_lines(frame()))


@pytest.mark.parametrize(("traffic", "words"), [(False, "start traffic"), (True, "stop traffic")])
def test_the_key_labels_follow_the_state(traffic, words):
    assert drawn_lines(frame(traffic=traffic))[0].split("    ")[1:] == [
        " +  add one",
        " -  remove one",
        f" t  {words}",
        " q  quit",
    ]


def test_only_the_last_messages_are_kept():
    panel = LogPanel()
    for number in range(MESSAGES + 3):
        panel.handle(logging.LogRecord("x", logging.INFO, "", 1, "message %d", (number,), None))
    assert [text for _, text in panel.messages] == [f"message {number}" for number in range(3, MESSAGES + 3)]


async def test_the_screen_is_redrawn_only_after_a_change(monkeypatch):
    keyboard, stdin = pty.openpty()
    monkeypatch.setattr(sys, "stdin", os.fdopen(stdin))
    output = io.StringIO()
    screen = Screen(Console(file=output, force_terminal=True, width=100, height=30))
    pressed = []
    with screen.open(LINKS, pressed.append):
        screen.show(frame())
        size = output.tell()
        screen.show(frame())
        assert output.tell() == size
        screen.show(frame(requests=9))
        assert output.tell() > size
        os.write(keyboard, b"+")
        await until(lambda: pressed == ["+"])
    left_alternate_screen = "\x1b[?1049l"
    assert output.getvalue().endswith(left_alternate_screen)
    sys.stdin.close()
    os.close(keyboard)

import io
import logging
import os
import pty
import re
import sys

import pytest
from rich.console import Console

from pylb.tools.demo.scoreboard import Row
from pylb.tools.demo.screen import NEWS, News, Screen, render
from tests.tools.demo.moments import BY_HAND, SIGNS, moment
from tests.until import until


def drawn(moment, messages=(), width=80, height=None):
    """The lines of a screen, without colours."""
    console = Console(file=io.StringIO(), width=width, height=height)
    console.print(render(SIGNS, moment, messages))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def line(lines, start):
    return next(each for each in lines if each.startswith(f" {start}"))


def test_an_instance_is_a_line():
    lines = drawn(moment())
    assert re.fullmatch(r" web-1 +127\.0\.0\.1:41001 +4711 +up +6 +2 +━+╸?━* +75%", line(lines, "web-1"))
    assert re.fullmatch(r" web-2 +127\.0\.0\.1:41002 +up +2 +0 +━+╸?━* +25%", line(lines, "web-2"))


def test_an_instance_that_gets_no_requests_says_why():
    lines = drawn(moment())
    assert re.fullmatch(r" web-7 +127\.0\.0\.1:41007 +excluded +0 +0", line(lines, "web-7 "))
    assert line(lines, "web-7:") == " web-7: critical: nobody there"


def test_text_from_the_registry_acts_on_no_terminal():
    evil = "x\n\x1b[2J[/red]"
    rows = (Row(evil, evil, "excluded", up=False, reason=f"critical: {evil}"),)
    lines = drawn(moment(rows=rows), [("12:00:00.000", f"+{evil}")], width=200)
    assert all(each.isprintable() for each in lines)
    assert sum(r"x\n\x1b[2J[/red]" in each for each in lines) == 3


@pytest.mark.parametrize("width", [80, 100, 200])
def test_nothing_is_wider_than_the_terminal_and_the_command_is_whole(width):
    lines = drawn(moment(), [("12:00:00.000", "x" * 300)], width)
    assert max(map(len, lines)) <= width
    assert BY_HAND in "\n".join(each.strip() for each in lines)


def test_on_a_low_terminal_the_latest_news_are_seen():
    messages = [(f"12:00:00.{number:03}", f"message {number}") for number in range(8)]
    lines = drawn(moment(), messages)
    news = [each for each in lines if "message" in each]
    assert news[0] == " 12:00:00.007  message 7"
    assert lines.index(news[2]) < 24


def test_while_the_next_one_starts_the_screen_stays_as_high():
    assert len(drawn(moment(by_hand=""))) == len(drawn(moment()))


@pytest.mark.parametrize(("traffic", "words"), [(False, "traffic on"), (True, "traffic off")])
def test_the_keys_say_what_they_would_do(traffic, words):
    assert drawn(moment(traffic=traffic))[0].split("    ")[1:] == [
        " +  one more",
        " -  one less",
        f" t  {words}",
        " q  end",
    ]


def test_only_the_last_news_are_kept():
    news = News()
    for number in range(NEWS + 3):
        news.handle(logging.LogRecord("x", logging.INFO, "", 1, "message %d", (number,), None))
    assert [text for _, text in news.messages] == [f"message {number}" for number in range(3, NEWS + 3)]


async def test_it_is_drawn_only_when_something_has_changed(monkeypatch):
    keyboard, stdin = pty.openpty()
    monkeypatch.setattr(sys, "stdin", os.fdopen(stdin))
    output = io.StringIO()
    screen = Screen(Console(file=output, force_terminal=True, width=100, height=30))
    pressed = []
    with screen.open(SIGNS, pressed.append):
        screen.show(moment())
        size = output.tell()
        screen.show(moment())
        assert output.tell() == size
        screen.show(moment(requests=9))
        assert output.tell() > size
        os.write(keyboard, b"+")
        await until(lambda: pressed == ["+"])
    left_alternate_screen = "\x1b[?1049l"
    assert output.getvalue().endswith(left_alternate_screen)
    sys.stdin.close()
    os.close(keyboard)

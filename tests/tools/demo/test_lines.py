import logging
import os
import subprocess
import sys

from pylb.tools.demo import lines
from pylb.tools.demo.lines import Lines
from tests.tools.demo.frames import frame


def shown(display, capsys, *frames):
    for each in frames:
        display.show(each)
    return capsys.readouterr().out.splitlines()


def test_counts_are_written_after_changes_and_at_most_once_a_second(capsys, monkeypatch):
    now = 100.0
    monkeypatch.setattr(lines, "monotonic", lambda: now)
    display = Lines()
    assert shown(display, capsys, frame(requests=0, command="")) == []
    assert shown(display, capsys, frame(command="")) == [
        "8 requests, 1 failed: web-1 6, web-2 2, web-7 0",
    ]
    now += 0.5
    assert shown(display, capsys, frame(requests=9, command="")) == []
    now += 0.6
    assert shown(display, capsys, frame(requests=9, command=""), frame(requests=9, command="")) == [
        "9 requests, 1 failed: web-1 6, web-2 2, web-7 0",
    ]


def test_the_registration_command_is_written_once_in_one_line(capsys):
    display = Lines()
    first, none, second = (frame(requests=0, command=text) for text in ("a\nb", "", "c"))
    assert shown(display, capsys, first, first, none, first, second) == [
        "Add       a b",
        "Add       c",
    ]


def test_a_message_with_line_feeds_is_one_line(capsys):
    record = logging.makeLogRecord({"msg": "+x\n\x1b[2J"})
    Lines().log_handler.handle(record)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith(r" +x\n\x1b[2J")


def test_a_closed_pipe_ends_the_process():
    code = "from pylb.tools.demo.lines import write\nwhile True: write('still there')"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        os.read(process.stdout.fileno(), 10)
        process.stdout.close()
        assert process.wait(20) == -15
        assert process.stderr.read() == b""

import logging
import os
import subprocess
import sys

from pylb.tools.demo import lines
from pylb.tools.demo.lines import Lines
from tests.tools.demo.moments import moment


def shown(display, capsys, *moments):
    for each in moments:
        display.show(each)
    return capsys.readouterr().out.splitlines()


def test_counts_come_when_they_have_changed_and_not_too_often(capsys, monkeypatch):
    now = 100.0
    monkeypatch.setattr(lines, "monotonic", lambda: now)
    display = Lines()
    assert shown(display, capsys, moment(requests=0, by_hand="")) == []
    assert shown(display, capsys, moment(by_hand="")) == [
        "8 requests, 1 failed: web-1 6, web-2 2, web-7 0",
    ]
    now += 0.5
    assert shown(display, capsys, moment(requests=9, by_hand="")) == []
    now += 0.6
    assert shown(display, capsys, moment(requests=9, by_hand=""), moment(requests=9, by_hand="")) == [
        "9 requests, 1 failed: web-1 6, web-2 2, web-7 0",
    ]


def test_the_command_by_hand_is_one_line_and_said_once(capsys):
    display = Lines()
    first, none, second = (moment(requests=0, by_hand=text) for text in ("a\nb", "", "c"))
    assert shown(display, capsys, first, first, none, first, second) == [
        "One more  a b",
        "One more  c",
    ]


def test_a_message_is_one_line_whatever_is_in_it(capsys):
    record = logging.makeLogRecord({"msg": "+x\n\x1b[2J"})
    Lines().news.handle(record)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith(r" +x\n\x1b[2J")


def test_when_nobody_reads_any_more_the_process_is_told_to_end():
    code = "from pylb.tools.demo.lines import write\nwhile True: write('still there')"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        os.read(process.stdout.fileno(), 10)
        process.stdout.close()
        assert process.wait(20) == -15
        assert process.stderr.read() == b""

import re
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("process", "shown"), [("worker 1", r"worker 1 \[\d+\] pylb: hello"), ("", "pylb: hello")]
)
def test_with_several_processes_a_line_names_its_process(process, shown):
    code = (
        "from pylb.runtime.logs import log_to_stderr; import logging;"
        f"log_to_stderr('warning', {process!r});"
        "logging.getLogger('pylb').info('unimportant'); logging.getLogger('pylb').warning('hello')"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert re.fullmatch(rf"[0-9-]+ [0-9:,]+ WARNING {shown}\n", ran.stderr)


FORGED = "x\n2026-11-30 00:00:00,000 WARNING pylb.audit: web: operator: drain web-2\x1b]0;pwned\x07\u2028"
LINE = re.compile(r"[0-9-]+ [0-9:,]+ (WARNING|ERROR  ) \S+: .*")


def logged(code):
    """The lines that a process writes."""
    code = f"from pylb.runtime.logs import log_to_stderr; import logging; log_to_stderr('info'); {code}"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    *lines, end = ran.stderr.split("\n")
    assert end == ""
    return lines


@pytest.mark.parametrize("logger", ["pylb.discovery", "asyncio", "aiohttp.server"])
def test_every_message_is_one_escaped_line(logger):
    (line,) = logged(f"logging.getLogger({logger!r}).warning('%s gets no requests', {FORGED!r})")
    assert LINE.fullmatch(line)
    assert line.isprintable()
    assert "x\\n2026-11-30" in line


def test_lines_of_a_traceback_are_indented():
    code = (
        f"\ntry: raise ValueError({FORGED!r})\nexcept ValueError: logging.exception('odd', stack_info=True)"
    )
    message, *rest = logged(code)
    assert LINE.fullmatch(message)
    assert all(line.startswith("    | ") and line.isprintable() for line in rest)
    assert any("pwned" in line for line in rest)


@pytest.mark.parametrize("stderr", ["2>&1", "2>&-"])
def test_a_fatal_signal_writes_a_traceback_to_standard_error(stderr):
    code = (
        "import os; from pylb.runtime.logs import trace_fatal_signals; trace_fatal_signals();"
        "print(1, flush=True); os.abort()"
    )
    ended = subprocess.run(
        ["sh", "-c", f'"$0" -c "$1" {stderr}', sys.executable, code], capture_output=True, text=True
    )
    assert ended.stdout.startswith("1\n")
    assert ("Fatal Python error: Aborted" in ended.stdout) is (stderr == "2>&1")

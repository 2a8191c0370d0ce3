import re
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("process", "shown"), [("worker 1", r"worker 1 \[\d+\] pylb: hello"), ("", "pylb: hello")]
)
def test_a_line_says_which_process_it_is_from_where_there_are_several(process, shown):
    code = (
        "from pylb.process.logs import log_to_stderr; import logging;"
        f"log_to_stderr('warning', {process!r});"
        "logging.getLogger('pylb').info('unimportant'); logging.getLogger('pylb').warning('hello')"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert re.fullmatch(rf"[0-9-]+ [0-9:,]+ WARNING {shown}\n", ran.stderr)

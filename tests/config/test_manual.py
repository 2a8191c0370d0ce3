"""The help fits the terminal, the page is the one in docs/."""

import subprocess
import sys
from pathlib import Path

import pytest

from pylb.config import Options
from pylb.config.manual import help_text, markdown
from pylb.config.option import options

PAGE = Path(__file__).parents[2] / "docs" / "config.md"


def test_the_page_is_up_to_date():
    assert PAGE.read_text() == markdown(), "run `make docs`"


def test_the_module_writes_the_page():
    written = subprocess.run(
        [sys.executable, "-m", "pylb.config"], capture_output=True, check=True, text=True
    )
    assert written.stdout == markdown()


def test_help_and_page_name_every_option_with_its_default():
    page, shown = markdown(), help_text(Options)
    for declared in options(Options):
        for text in (shown, page):
            assert (f"--[no-]{declared.flag[2:]}" if declared.opposite else declared.flag) in text
            assert all(name in text for name in declared.fallbacks)
            assert declared.default is None or declared.default in text
        assert declared.variable in page


@pytest.mark.parametrize("width", [80, 110])
def test_the_help_fits_the_terminal(width):
    lines = help_text(Options, width).splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0] == "Discovery"


def test_a_bar_is_escaped_in_a_table():
    rows = [line for line in markdown().splitlines() if line.startswith("| `--admin ")]
    assert [row.replace("\\|", "").count("|") for row in rows] == [5]

"""What the documents quote is there: files, links, options, verbs of the Makefile."""

import re
import subprocess
from pathlib import Path

import pytest

from pylb import cli
from pylb.config.option import options

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
OTHERS_FLAGS = {"--scale", "--detach", "--build", "--rm", "--editable", "--no-ff"}
"""Options of other programs that the documents show in use."""


def name(page):
    return page.relative_to(ROOT).as_posix()


pages = pytest.mark.parametrize("page", PAGES, ids=name)


@pages
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pages
def test_quoted_files_exist(page):
    quoted = re.findall(r"`((?:pylb|tests|bench|docs|\.ci)/[\w./-]+)`", page.read_text())
    assert [file for file in quoted if not (ROOT / file).exists()] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name != "adr"], ids=name)
def test_quoted_options_exist(page):
    """Records of decisions may speak of options that were rejected."""
    known = {"--help", "--version", *OTHERS_FLAGS}
    for command in cli.COMMANDS.values():
        for each in options(cli.resolve_name(command.options)):
            known |= {each.flag, each.opposite}
    quoted = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", page.read_text()))
    assert quoted - known == set()


@pages
def test_quoted_verbs_exist(page):
    verbs = {
        line.split()[1]
        for line in subprocess.check_output(["make", "help"], cwd=ROOT, text=True).splitlines()
    }
    assert set(re.findall(r"(?:`|^    )make ([a-z-]+)", page.read_text(), flags=re.MULTILINE)) <= verbs

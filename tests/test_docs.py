"""Files, links, modules, options, tests and Makefile targets that the documentation names exist."""

import argparse
import re
from pathlib import Path

import pytest

from bench.load.options import add_balancer, add_instances
from pylb import cli
from pylb.config.option import options
from tests.every import every

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
OTHERS_FLAGS = {
    "--http2-prior-knowledge",
    "--scale",
    "--detach",
    "--build",
    "--rm",
    "--init",
    "--editable",
    "--no-ff",
}
"""Options of other programs in commands that the documentation shows."""
LOCUSTS_FLAGS = {"--headless", "--host", "--html", "--processes", "--run-time", "--spawn-rate", "--users"}


def name(page):
    return page.relative_to(ROOT).as_posix()


pages = every("page", PAGES, ids=name)


@pages
def test_link_targets_exist(page):
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pages
def test_named_files_exist(page):
    """Pages may omit the folder `pylb/`."""
    named = re.findall(r"`((?:[\w.-]+/)+(?:[\w.-]+\.[a-z]+)?)`", page.read_text())
    bases = (ROOT, ROOT / "pylb", ROOT / "pylb/policy")
    assert [file for file in named if not any((base / file).exists() for base in bases)] == []


@pages
def test_named_modules_exist(page):
    named = re.findall(r"python -m ((?:bench|tests)[\w.]*\w)", page.read_text())
    files = [module.replace(".", "/") for module in named]
    assert [
        file
        for file in files
        if not ((ROOT / f"{file}.py").exists() or (ROOT / file / "__main__.py").exists())
    ] == []


def test_pages_that_the_code_names_exist():
    sources = [path for folder in ("pylb", "bench") for path in (ROOT / folder).rglob("*.py")]
    named = {(path, page) for path in sources for page in re.findall(r"docs/[\w/-]+\.md", path.read_text())}
    assert len(named) > 10
    assert {(path, page) for path, page in named if not (ROOT / page).exists()} == set()


@every("page", [page for page in PAGES if page.parent.name != "adr"], ids=name)
def test_named_options_exist(page):
    """Decision records are excluded, because they also describe rejected options."""
    known = {"--help", "--version", *OTHERS_FLAGS, *LOCUSTS_FLAGS}
    load = argparse.ArgumentParser()
    add_balancer(load.add_argument)
    add_instances(load.add_argument)
    known |= {flag for action in load._actions for flag in action.option_strings}
    for command in cli.COMMANDS.values():
        for each in options(cli.resolve_name(command.options)):
            known |= {each.flag, each.opposite}
    text = re.sub(r"python -m (bench|tests)\..*", "", page.read_text())  # These have separate options.
    quoted = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", text))
    assert quoted - known == set()


def rows_with_tests(page):
    """Return the rows of all tables whose last column is `Test`."""
    tables = re.findall(r"^\|.*\| Test \|\n\|[-|]+\|\n((?:\|.*\n)+)", page.read_text(), flags=re.MULTILINE)
    return [row for table in tables for row in table.splitlines()]


@pytest.mark.parametrize("page", [page for page in PAGES if rows_with_tests(page)], ids=name)
def test_each_row_names_tests_that_exist(page):
    defined = {
        f"{path.name}::{function}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for function in re.findall(r"def (test_\w+)", path.read_text())
    }
    named = {
        row: re.findall(r"`(test_\w+\.py::test_\w+)`", row.split("|")[-2]) for row in rows_with_tests(page)
    }
    assert [row for row, tests in named.items() if not tests or set(tests) - defined] == []


@pages
def test_named_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"(?:`|^    )make ([a-z][a-z-]*)", page.read_text(), flags=re.MULTILINE)) <= targets

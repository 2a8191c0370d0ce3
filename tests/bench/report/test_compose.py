"""The page agrees with its raw figures."""

import json
import shutil
from pathlib import Path

import pytest

from bench.report.__main__ import main
from bench.report.compose import PARTS, TEMPLATE, write_page
from bench.report.measurements import MEASUREMENTS

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def copy(tmp_path):
    """The raw figures of the repository, without the page and the pictures."""
    (tmp_path / "performance").mkdir()
    for figures in (DOCS / "performance").glob("*.json"):
        shutil.copy(figures, tmp_path / "performance")
    return tmp_path


@pytest.mark.slow
def test_the_page_in_the_repository_is_made_from_its_figures(copy):
    assert main(["--write", "--directory", str(copy)]) == 0
    assert (copy / "performance.md").read_text() == (DOCS / "performance.md").read_text()
    made = {path.name: path.read_bytes() for path in (copy / "performance").iterdir()}
    assert made == {path.name: path.read_bytes() for path in (DOCS / "performance").iterdir()}


@pytest.mark.slow
def test_a_changed_figure_changes_the_page(copy):
    figures = copy / "performance" / "memory.json"
    before = write_page(copy).read_text()
    figures.write_text(figures.read_text().replace('"connections": ', '"connections": 9'))
    assert write_page(copy).read_text() != before


@pytest.mark.slow
def test_with_several_machines_each_figure_names_its_machine(copy):
    for figures in (copy / "performance").glob("*.json"):
        record = json.loads(figures.read_text())
        cpu = "Old" if figures.stem == "failure" else "New"
        record["result"]["machine"] |= {"cpu": cpu, "kernel": "6.1", "python": "3.11.2"}
        figures.write_text(json.dumps(record))
    text = write_page(copy).read_text()
    assert "\nMachine: (1) New, " in text
    assert "; (2) Old, " in text
    assert text.count(" on machine 2, ") == 1
    assert text.count(" on machine 1, ") == len(MEASUREMENTS) - 1


def test_a_missing_measurement_is_marked(tmp_path):
    (tmp_path / "performance").mkdir()
    text = write_page(tmp_path).read_text()
    assert text.count("*Not measured yet.*") == len(MEASUREMENTS) + 1  # The machine is not known either.
    assert "@" not in text


def test_every_measurement_has_a_placeholder():
    template = TEMPLATE.read_text()
    assert [each.name for each in MEASUREMENTS if f"\n@{each.name}\n" not in template] == []
    assert set(PARTS) == {each.name for each in MEASUREMENTS}

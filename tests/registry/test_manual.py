"""Each row of docs/registrator.md names tests, and they exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = [
    line
    for line in (ROOT / "docs" / "registrator.md").read_text().splitlines()
    if line.startswith("| ") and not line.endswith("| Test |")
]


def test_every_row_names_tests_that_exist():
    found = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        found.setdefault(path.name, "")
        found[path.name] += path.read_text()
    for row in ROWS:
        named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", row.split("|")[-2])
        assert named, row
        for file, test in named:
            assert f"def {test}(" in found[file], row


def test_there_are_rows():
    assert len(ROWS) > 40

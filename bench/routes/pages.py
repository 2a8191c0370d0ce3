"""The blocks of code and the tables of a page of documentation that migrates a configuration."""

from __future__ import annotations

import re
from pathlib import Path

from bench.routes.cases import Case


def block(page: Path, language: str) -> str:
    """Return the first block of code in a language."""
    found = re.search(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"{page.name} has no block of {language}")
    return found[1]


def table(page: Path) -> list[Case]:
    """Return the requests of the table of a page: request, what the other proxy does, what pylb does."""
    rows = re.findall(r"^\| `([A-Z]+ http[^`]+)` \| (.*?) \|(?: (.*?))? \|$", page.read_text(), re.MULTILINE)
    return [Case(send, gets, pylb) for send, gets, pylb in rows]

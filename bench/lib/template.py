"""Texts with `@name` where a value belongs, such as configuration files; `$` keeps its meaning in them."""

from __future__ import annotations

import string
from pathlib import Path


class AtTemplate(string.Template):
    """A text with `@name` where a value belongs."""

    delimiter = "@"


def render(template: Path, directory: Path, **values: object) -> Path:
    """Fill a template in and write it, under its own name, into a directory.

    Args:
        template: the file with `@name` marks.
        directory: where the result goes; also the value of `@directory`.
        values: what replaces each mark.

    Raises:
        KeyError: a mark has no value.
    """
    result = directory / template.name
    result.write_text(AtTemplate(template.read_text()).substitute(values, directory=directory))
    return result

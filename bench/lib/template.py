"""Text templates with `@name` placeholders, such as configuration files; `$` has no special meaning."""

from __future__ import annotations

import string
from pathlib import Path


class AtTemplate(string.Template):
    """A template whose placeholders are `@name`."""

    delimiter = "@"


def render(template: Path, directory: Path, **values: object) -> Path:
    """Fill in a template and write it into a directory under its own name.

    Args:
        template: the file with `@name` placeholders.
        directory: receives the result; also the value of `@directory`.
        values: the values of the other placeholders.

    Raises:
        KeyError: a placeholder has no value.
    """
    result = directory / template.name
    result.write_text(AtTemplate(template.read_text()).substitute(values, directory=directory))
    return result

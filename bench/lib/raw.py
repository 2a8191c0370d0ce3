"""Raw figures as a JSON file, for programs and for the page that `make bench-report` writes."""

from __future__ import annotations

import os
from pathlib import Path

import orjson


def write(path: Path, content: object) -> None:
    """Replace the file atomically with `content` as JSON.

    Args:
        path: the file.
        content: dataclasses, dictionaries, lists and plain values.
    """
    made = path.with_name(f".{path.name}.new")
    made.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
    os.replace(made, path)

"""Reads a file of variables in the format of `docker run --env-file` and systemd's `EnvironmentFile=`."""

from __future__ import annotations

from pathlib import Path

from pylb.errors import UsageError


def read_env_file(path: str, source: str) -> dict[str, str]:
    """Read a file of `NAME=VALUE` lines; empty lines and lines that begin with `#` are ignored.

    Args:
        path: the file.
        source: the option that named the file, for error messages.

    Raises:
        UsageError: the file cannot be read, or a line is malformed.
    """
    try:
        lines = Path(path).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{source}: cannot read {path}: {error}") from None
    variables = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip().isidentifier():
            raise UsageError(f"{source}: {path}, line {number}: got {line!r}, expected NAME=VALUE")
        variables[name.strip()] = value.strip()
    return variables

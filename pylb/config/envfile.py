"""A file of variables, in the form that `docker run --env-file` and systemd's `EnvironmentFile=` read."""

from __future__ import annotations

from pathlib import Path

from pylb.errors import UsageError


def read_env_file(path: str, source: str) -> dict[str, str]:
    """Read a file of `NAME=VALUE` lines; empty ones and those that start with `#` do not count.

    Args:
        path: the file.
        source: the option that named it, for complaints.

    Raises:
        UsageError: it cannot be read, or a line has another form.
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

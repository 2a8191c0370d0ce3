"""Reads recorded requests from an access log: of pylb in either format, or combined as nginx writes it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson

from pylb.errors import UsageError
from pylb.routes.replay import Recorded

MOST_REQUESTS = 200_000
"""Different requests that are kept in memory; further ones are left out."""

_LINE = re.compile(
    rb'[^ ]+ [^ ]+ [^ ]+ \[[^\]]*\] "([A-Z]{1,20}) ([^ "]{1,8192}) HTTP/[0-9.]+" \d{3} '
    rb'(?:\d+|-)(?: "[^"]*" "[^"]*"(?: ([^ ]+) )?)?'
)
_ESCAPE = re.compile(r"\\x([0-9A-Fa-f]{2})")


def read_log(path: str) -> list[Recorded]:
    """Return the requests of a log, equal ones once with their number.

    Raises:
        UsageError: the file cannot be read, or no line of it is a request.
    """
    counts: Counter[Recorded] = Counter()
    lines = 0
    try:
        with Path(path).open("rb") as file:
            for each in requests(file):
                lines += 1
                if each in counts or len(counts) < MOST_REQUESTS:
                    counts[each] += 1
    except OSError as error:
        raise UsageError(f"--access-log-file: {path} cannot be read: {error.strerror}") from None
    if not lines:
        raise UsageError(f"--access-log-file: {path} has no request, expected an access log of pylb")
    return [
        Recorded(each.method, each.host, each.target, each.service, count) for each, count in counts.items()
    ]


def requests(lines: Iterable[bytes]) -> Iterator[Recorded]:
    """Yield the request of each line; lines that are none are left out."""
    for line in lines:
        found = _from_json(line) if line.startswith(b"{") else _from_combined(line)
        if found is not None:
            yield found


def _from_json(line: bytes) -> Recorded | None:
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    values = [entry.get(name) for name in ("method", "host", "target", "service")]
    if not all(isinstance(each, str) for each in values):
        return None
    method, host, target, service = map(_plain, values)
    return Recorded(method, host, target, "" if service == "-" else service)


def _from_combined(line: bytes) -> Recorded | None:
    found = _LINE.match(line)
    if found is None:
        return None
    service = (found[3] or b"").decode("latin-1")
    target = _plain(found[2].decode("latin-1"))
    return Recorded(found[1].decode(), "", target, "" if service == "-" else _plain(service))


def _plain(value: str) -> str:
    r"""Undo the escapes `\xHH` of the log."""
    return _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), value)

"""The access log: one line per request, from its record.

`combined` is the format of Apache and nginx, followed by the fields of a load balancer; `json` has the same
facts as named fields, and every attempt. Each request is one line of ASCII with the same number of fields,
whatever bytes the client sends. This module formats lines; `sinks` writes them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Protocol

import orjson

from pylb.observe.record import Record
from pylb.policy.lease import Lease

PLAIN = bytes(byte for byte in range(0x20, 0x7F) if byte not in b'"\\')
"""Bytes that need no escape between quotes."""

_NOT_PLAIN = re.compile(rb"[^%b]" % re.escape(PLAIN))
_NOT_A_WORD = re.compile(rb"[^%b]" % re.escape(PLAIN.replace(b" ", b"")))
_ABOUT_CLIENT = re.compile(rb"\n(?=[RrUu])((?i:referer|user-agent)):[ \t]*([^\r\n]*)")
"""Fast: most lines fail to match at their first letter."""


def protocol(record: Record) -> str:
    """Return the protocol of a request, as nginx writes it."""
    request = record.request
    return record.protocol or f"HTTP/1.{request.version if request else 1}"


class Format(Protocol):
    """A format of access log lines."""

    def line(self, record: Record, now: float) -> bytes:
        """Return the line of a record, line feed included.

        Args:
            record: a completed request.
            now: the time of its end, in seconds since the epoch.
        """


class Combined:
    r"""The combined format of Apache and nginx, followed by the fields of a load balancer.

        127.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 49 "-" "curl/8.5"
        web 10.0.0.1:80 0.3/2.1/2.2 1 -- "5f0c"

    (on one line). The additional fields: service; backend of the last attempt; milliseconds from the start of
    that attempt to its connection, to the head of the response, and of the whole request; number of
    attempts; HAProxy's termination code; request id. A stage that was not reached is `-`.

    A byte that could end a line or a quoted field is written as `\xHH`, as in nginx.
    """

    def __init__(self) -> None:
        self._second = 0
        self._time = b""

    def line(self, record: Record, now: float) -> bytes:
        """See `Format.line`."""
        if int(now) != self._second:
            self._second = int(now)
            local = datetime.fromtimestamp(self._second, UTC).astimezone()
            self._time = local.strftime("%d/%b/%Y:%H:%M:%S %z").encode()
        line = referer = agent = b"-"
        if (request := record.request) is not None:
            line = b"%b %b %b" % (request.method, request.target, protocol(record).encode())
            referer, agent = _about_client(request.lines)
        id_, client = record.id or b"-", record.client.encode() or b"-"
        if b"".join((line, referer, agent, id_, client)).translate(None, PLAIN):
            line, referer, agent, id_, client = map(escape, (line, referer, agent, id_, client))
        backend = connect = head = "-"
        if attempts := record.attempts:
            last = attempts[-1]
            backend = word(last.backend.name)
            if last.reused:
                connect = "0.0"
            elif last.connected:
                connect = f"{(last.connected - last.started) * 1e3:.1f}"
            if last.head:
                head = f"{(last.head - last.started) * 1e3:.1f}"
        timings = f"{connect}/{head}/{(record.finished - record.started) * 1e3:.1f}"
        balanced = f"{word(record.service)} {backend} {timings} {len(attempts)} {record.termination}"
        return b'%b - - [%b] "%b" %d %d "%b" "%b" %b "%b"\n' % (
            client,
            self._time,
            line,
            record.status,
            record.sent,
            referer,
            agent,
            balanced.encode(),
            id_,
        )


class Json:
    """One JSON object per line, with every attempt. Names end in their unit; a stage not reached is null."""

    def __init__(self) -> None:
        self._second = 0
        self._time = ""

    def line(self, record: Record, now: float) -> bytes:
        """See `Format.line`."""
        if int(now) != self._second:
            self._second = int(now)
            self._time = datetime.fromtimestamp(self._second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        entry: dict[str, Any] = {"time": f"{self._time}.{int(now % 1 * 1e3):03d}Z"}
        entry["client"] = text(record.client.encode())
        if (request := record.request) is not None:
            referer, agent = _about_client(request.lines)
            entry["method"] = text(request.method)
            entry["host"] = text(request.host)
            entry["target"] = text(request.target)
            entry["version"] = protocol(record).removeprefix("HTTP/")
            entry["referer"] = text(referer)
            entry["user_agent"] = text(agent)
            if request.trace is not None:
                entry["trace_id"] = text(request.trace.id)
        entry["id"] = text(record.id)
        entry["service"] = word(record.service)
        entry["status"] = record.status
        entry["received_bytes"] = record.received
        entry["sent_bytes"] = record.sent
        entry["duration_ms"] = _milliseconds(record.started, record.finished)
        entry["attempts"] = [attempt_fields(attempt) for attempt in record.attempts]
        entry["termination"] = record.termination
        entry["detail"] = record.detail and text(record.detail.encode("utf-8", "backslashreplace"))
        return orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE)


FORMATS: dict[str, Callable[[], Format]] = {"combined": Combined, "json": Json}
"""By the values of `--access-log`."""


def escape(value: bytes) -> bytes:
    r"""Escape bytes that could end a line or a quoted field, and bytes outside ASCII, as `\xHH`."""
    return _NOT_PLAIN.sub(lambda byte: b"\\x%02X" % ord(byte[0]), value)


@lru_cache(maxsize=4096)
def word(name: str) -> str:
    r"""A name from the configuration or the registry as one word: `-` if empty, spaces as `\x20`."""
    value = _NOT_A_WORD.sub(lambda byte: b"\\x%02X" % ord(byte[0]), name.encode("utf-8", "backslashreplace"))
    return value.decode() or "-"


def text(value: bytes) -> str:
    r"""Bytes as text for a JSON encoder, which escapes the rest: bytes outside ASCII become `\xhh`."""
    return value.decode("ascii", "backslashreplace")


def _about_client(lines: bytes) -> tuple[bytes, bytes]:
    """The values of `Referer` and `User-Agent`, `-` if absent."""
    referer = agent = b"-"
    for name, value in _ABOUT_CLIENT.findall(lines):
        if len(name) == len(b"referer"):
            referer = value
        else:
            agent = value
    return referer, agent


def attempt_fields(attempt: Lease) -> dict[str, Any]:
    """The fields of one attempt, for JSON."""
    fields = {
        "backend": word(attempt.backend.name),
        "reused": attempt.reused,
        "connect_ms": 0.0 if attempt.reused else _milliseconds(attempt.started, attempt.connected),
        "head_ms": _milliseconds(attempt.started, attempt.head),
        "status": attempt.status or None,
        "error": attempt.error and attempt.error.code,
    }
    return fields if attempt.grpc_status is None else fields | {"grpc_code": attempt.grpc_status}


def _milliseconds(start: float, end: float) -> float | None:
    return round((end - start) * 1e3, 3) if end else None

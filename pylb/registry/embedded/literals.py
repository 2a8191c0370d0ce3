"""Parses numbers, booleans and durations as Go's standard library does, with its error messages."""

from __future__ import annotations

import re

_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")
_UINT64 = range(2**64)
_MAX_DIGITS = 20
"""Digits of the largest 64-bit number. `int()` rejects thousands of digits with an error of another kind."""

MAX_DURATION = 2**63 / 1e9
"""Seconds; Go stores nanoseconds in 64 bits."""
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_PART = re.compile(r"(\d+\.?\d*|\.\d+|)([^\d.]*)", re.ASCII)


class LiteralError(ValueError):
    """The text has another form than expected; the message is that of Go."""


def parse_uint(text: str) -> int:
    """Parse an unsigned 64-bit number.

    Raises:
        LiteralError: the text is not such a number.
    """
    if not re.fullmatch(r"\d+", text, re.ASCII):
        raise LiteralError(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    if len(text.lstrip("0")) > _MAX_DIGITS or (number := int(text)) not in _UINT64:
        raise LiteralError(f'strconv.ParseUint: parsing "{text}": value out of range')
    return number


def parse_bool(text: str) -> bool:
    """Parse a boolean in one of Go's notations.

    Raises:
        LiteralError: the text is not a boolean.
    """
    if text not in _TRUE + _FALSE:
        raise LiteralError(f'strconv.ParseBool: parsing "{text}": invalid syntax')
    return text in _TRUE


def parse_duration(text: str) -> float:
    """Parse a duration in Go's notation, `1h15m30.5s`, `-1.5h`, `300ms` or `0`; return seconds.

    Raises:
        LiteralError: the text is not a duration.
    """
    rest = text[1:] if text.startswith(("-", "+")) else text
    if rest == "0":
        return 0.0
    seconds = 0.0
    for number, unit in _DURATION_PART.findall(rest)[:-1] or [("", "")]:  # the last match is the empty end
        if number and unit not in _UNITS:
            problem = f'unknown unit "{unit}" in' if unit else "missing unit in"
            raise LiteralError(f'time: {problem} duration "{text}"')
        seconds += float(number) * _UNITS[unit] if number else MAX_DURATION
    if seconds >= MAX_DURATION:
        raise LiteralError(f'time: invalid duration "{text}"')
    return -seconds if text.startswith("-") else seconds

"""Kinds of values that say which requests belong together: what is hashed, and how a session is carried."""

from __future__ import annotations

import re

from pylb.config.kinds import Kind

_NAME_OF_FIELD, _NAME_OF_COOKIE, _NAME_IN_QUERY = r"[!#-'*+.^-`|~0-9A-Za-z-]+", r"[!-:<>-~]+", r"[!-%'-<>-~]+"
_HASH_ON = re.compile(
    rf"client|path|target|header:{_NAME_OF_FIELD}|cookie:{_NAME_OF_COOKIE}|query:{_NAME_IN_QUERY}"
)


def _hash_on(value: str) -> str:
    if not _HASH_ON.fullmatch(value):
        raise ValueError
    return value


HASH_ON = Kind(
    "client|path|target|header:NAME|cookie:NAME|query:NAME",
    "client, path, target, or a field such as header:X-User, cookie:session or query:id",
    _hash_on,
)

_STICKY = re.compile(rf"cookie(:{_NAME_OF_FIELD})?|header:{_NAME_OF_FIELD}")


def _sticky(value: str) -> str:
    if value == "off":
        return ""
    if not _STICKY.fullmatch(value):
        raise ValueError
    return "cookie:pylb" if value == "cookie" else value


STICKY = Kind("cookie|cookie:NAME|header:NAME|off", "off, cookie, cookie:NAME or header:NAME", _sticky)
"""How clients carry a session; empty for no sessions."""


def _key(value: str) -> str:
    if len(value) < 16:
        raise ValueError
    return value


KEY = Kind("KEY", "a key of at least 16 characters", _key)

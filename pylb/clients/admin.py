"""Reads the admin API of a running pylb, for `pylb top`, `history`, `explain` and the other tools."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import orjson

from pylb.config.kinds import Address
from pylb.errors import StartError

TIMEOUT = 5.0
"""Seconds for an answer, which usually comes from the same machine."""


class UnixConnection(http.client.HTTPConnection):
    """An HTTP connection over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        """Connect to the Unix socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(self._path)


def read(admin: Address, path: str, **query: str | Sequence[str]) -> Any:
    """Return the decoded answer to a GET request.

    Args:
        admin: the address of pylb's `--admin`.
        path: the path, such as `/api/state`.
        query: the query parameters; a sequence repeats the parameter.

    Raises:
        StartError: there is no answer, or it is not that of a pylb; the message is one line.
    """
    connection = (
        UnixConnection(admin.path)
        if admin.path
        else http.client.HTTPConnection(admin.host, admin.port, timeout=TIMEOUT)
    )
    try:
        connection.request("GET", f"{path}?{urlencode(query, doseq=True)}" if query else path)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise StartError(f"--admin: no pylb answers at {admin}: {error}") from None
    finally:
        connection.close()
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise StartError(f"--admin: {admin} answers, but not as a pylb does ({answer.status})") from None
    if answer.status >= 400:
        raise StartError(f"--admin: {admin} refuses: {content.get('error', answer.status)}")
    return content

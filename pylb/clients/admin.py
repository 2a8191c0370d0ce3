"""Reads the API of a running pylb, for the commands that show what it knows."""

from __future__ import annotations

import http.client
import socket
from typing import Any
from urllib.parse import urlencode

import orjson

from pylb.config.kinds import Address
from pylb.errors import StartError

PATIENCE = 5.0
"""Seconds for an answer; it comes from this machine, as a rule."""


class UnixConnection(http.client.HTTPConnection):
    """An HTTP connection over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of the host."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._path)


def read(admin: Address, path: str, **query: str) -> Any:
    """What the API says.

    Args:
        admin: where pylb's `--admin` listens.
        path: `/api/state`.
        query: the parameters.

    Raises:
        StartError: nobody answers there, or not as a pylb does; the message is one line.
    """
    connection = (
        UnixConnection(admin.path)
        if admin.path
        else http.client.HTTPConnection(admin.host, admin.port, timeout=PATIENCE)
    )
    try:
        connection.request("GET", f"{path}?{urlencode(query)}" if query else path)
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

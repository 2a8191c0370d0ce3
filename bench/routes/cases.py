"""Requests with expected outcomes, from a TOML file, and a client that sends them as they are written."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

TIMEOUT = 10.0
"""Seconds for a response."""


@dataclass(frozen=True)
class Case:
    """One request, and what is expected."""

    send: str
    """Method and URL; the port of the URL is only a part of the Host."""
    gets: str
    """The service with the target that it receives, or a status and the Location."""
    pylb: str = ""
    """What pylb does, if that differs."""
    why: str = ""
    fields: tuple[str, ...] = ()
    """Further header fields, as lines."""
    receives: Mapping[str, str] = field(default_factory=dict)
    """Fields that the backend receives; an empty value for none. `DST` is its own address."""
    response: Mapping[str, str] = field(default_factory=dict)
    """Fields that the client receives; an empty value for none."""


def read_cases(file: Path) -> list[Case]:
    """Read the cases of a file."""
    return [
        Case(**{**each, "fields": tuple(each.get("fields", ()))})
        for each in tomllib.loads(file.read_text())["request"]
    ]


def differences(case: Case, expected: str, port: int) -> list[str]:
    """Send the request of a case to a proxy, and return what is not as expected.

    Args:
        case: the request.
        expected: the outcome.
        port: of the proxy on 127.0.0.1.
    """
    method, _, url = case.send.partition(" ")
    host, slash, target = url.partition("://")[2].partition("/")
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.putrequest(method, slash + target, skip_host=True, skip_accept_encoding=True)
        for line in (f"Host: {host}", *case.fields):
            name, _, value = line.partition(": ")
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    found, received, own = f"{answer.status} {answer.getheader('location', '')}".strip(), {}, ""
    if answer.status == 200 and content.startswith(b"{"):
        echo = json.loads(content)
        found, received = f"{echo['service']} {echo['target']}", echo["fields"]
        own = received.get("host", "")
    wrong = [] if found == expected else [f"{found}, expected {expected}"]
    if "{" not in content.decode(errors="replace") or found != expected:
        return wrong
    sent = {name.lower(): value for name, value in answer.getheaders()}
    for name, value in case.receives.items():
        wanted = own if value == "DST" and own.startswith("127.0.0.1:") else value
        if received.get(name, "") != wanted:
            wrong.append(f"the backend received {name}: {received.get(name, '')!r}, expected {value!r}")
    wrong += [
        f"the client received {name}: {sent.get(name, '')!r}, expected {value!r}"
        for name, value in case.response.items()
        if sent.get(name, "") != value
    ]
    return wrong

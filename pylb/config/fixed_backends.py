"""Reads fixed backends: `10.0.0.1:80,[2001:db8::1]:80;priority=1,web.example:8080;weight=3;zone=a`."""

from __future__ import annotations

from pylb.config.hosts import check_host, check_port
from pylb.errors import UsageError
from pylb.model import Endpoint

MOST = {"weight": 65535, "priority": 127}
"""Maximum of each numeric attribute."""
EXPECTED = "HOST:PORT or HOST:PORT;weight=N;priority=N;zone=NAME"


def parse_static(service: str, text: str) -> tuple[Endpoint, ...]:
    """Parse the value of `--static`; see `parse_backends`.

    Raises:
        UsageError: an item is malformed or given twice; the message is one line that names it.
    """
    try:
        return parse_backends(service, text)
    except ValueError as error:
        raise UsageError(f"--static: {error}") from None


def parse_backends(service: str, text: str) -> tuple[Endpoint, ...]:
    """Parse a comma-separated list of `HOST:PORT`, each with attributes; IPv6 addresses in brackets.

    Attributes follow the port, in any order: `;weight=3;priority=1;zone=a`.

    Raises:
        ValueError: an item is malformed or given twice; the message is one line that names it.
    """
    endpoints: dict[str, Endpoint] = {}
    for item in text.split(","):
        try:
            endpoint = _endpoint(service, item.strip())
        except ValueError as error:
            raise ValueError(f"got {item.strip()!r}, expected {EXPECTED} ({error})") from None
        if endpoint.id in endpoints:
            raise ValueError(f"got {endpoint.id} twice, expected each backend once")
        endpoints[endpoint.id] = endpoint
    return tuple(endpoints.values())


def _endpoint(service: str, item: str) -> Endpoint:
    where, *attributes = item.split(";")
    host, colon, port = where.rpartition(":")
    if not colon:
        raise ValueError("no port")
    if host.startswith("[") and host.endswith("]") and ":" in host:
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("an IPv6 address needs brackets")
    numbers = {"weight": 1, "priority": 0}
    zone = ""
    for attribute in attributes:
        name, _, value = attribute.partition("=")
        if name == "zone" and value:
            zone = value
        elif name in MOST:
            numbers[name] = _number(value)
            if numbers[name] > MOST[name]:
                raise ValueError(f"a {name} is at most {MOST[name]}")
        else:
            raise ValueError(f"unknown attribute {attribute!r}")
    address = check_host(host)
    return Endpoint(
        service=service,
        address=address,
        port=check_port(_number(port)),
        node="static",
        id=where,
        weight=numbers["weight"],
        priority=numbers["priority"],
        zone=zone,
        has_checks=False,
    )


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        raise ValueError(f"expected a number, got {text!r}")
    return int(text)

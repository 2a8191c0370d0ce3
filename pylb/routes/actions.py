"""What a route changes, or answers itself. Values and their checks; `apply` compiles them.

Text that becomes a part of a head is checked here, once: it has no control characters, so no request and no
registration can add a line to a head. Fields that pylb writes itself are refused: framing and connection
(RFC 9110 section 7.6.1), and the fields that identify the client.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_network

from pylb.http1 import grammar
from pylb.routes.match import LONGEST_VALUE, read_field, read_host

TO_BACKEND = "dst"
"""As a host: the address and port of the backend (fabio)."""

MOST_NETWORKS = 256
"""Networks of one route."""

_URL = re.compile(r"(?:https?://[0-9A-Za-z\[\]$._:-]+)?(?:[/$][!-~]*)?")
_VARIABLE = re.compile(r"\$(?!path|host)")
_TEXT = re.compile(r"[ -~]*")
_PORT = re.compile(r":[0-9]{1,5}\Z")

_OWN = re.compile(
    b"|".join((
        *grammar.HOP_BY_HOP, *grammar.FORWARDED, *grammar.LOOKALIKES,
        grammar.REQUEST_ID, b"content-length", b"expect", b"host", b"proxy", b"via",
    ))
)  # fmt: skip
"""Fields of requests that pylb writes itself."""

_OWN_RESPONSE = re.compile(b"|".join((*grammar.HOP_BY_HOP, b"content-length", b"date")))
"""Fields of responses that pylb writes itself."""


class Verb(Enum):
    """How an action changes a header field."""

    SET = "set"
    """Replaces all fields of the name."""
    ADD = "add"
    """Adds a field."""
    REMOVE = "remove"
    """Removes all fields of the name."""


@dataclass(frozen=True, slots=True)
class FieldAction:
    """A change to one header field."""

    verb: Verb
    name: str
    value: str = ""

    @property
    def text(self) -> str:
        """The action as a key of the grammar."""
        return f"{self.verb.value}:{self.name}{'' if self.verb is Verb.REMOVE else f'={self.value}'}"


@dataclass(frozen=True, slots=True)
class Redirect:
    """A redirect to a URL, in which `$path` and `$host` stand for those of the request."""

    status: int
    url: str
    other_status: int = 0
    """The status for methods other than GET and HEAD; 0 for the same."""
    pattern: str = ""
    """An expression that the URL of the request must match; `url` replaces the match, with `$1` for a group.
    The match of the route names the scheme."""


@dataclass(frozen=True, slots=True)
class Response:
    """A response of pylb."""

    status: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Actions:
    """All changes of one route, in the order in which they are made."""

    allow: tuple[str, ...] = ()
    """Networks of the clients that may use the route; empty for all."""
    deny: tuple[str, ...] = ()
    """Networks of the clients that may not."""
    every_hop: bool = False
    """Whether `allow` and `deny` concern the peer and each address in X-Forwarded-For, as in fabio."""
    strip: tuple[str, ...] = ()
    """Beginnings of the path; the first one that fits is removed."""
    by_characters: bool = False
    """Whether `strip` compares characters, as in fabio and Traefik, and not whole segments."""
    rewrite: tuple[str, str] | None = None
    """A beginning of the path, by whole segments, and what replaces it."""
    replace: tuple[str, str] | None = None
    """An expression, and the template that replaces what it matches in the path (`expression`). With an
    empty template the match is stripped, as by `strip`."""
    prepend: str = ""
    """What is put before the path."""
    host: str = ""
    """The host that the backend receives: a name, or `dst`; empty for the client's."""
    fields: tuple[FieldAction, ...] = ()
    """Changes to the fields of the request."""
    response_fields: tuple[FieldAction, ...] = ()
    """Changes to the fields of the response."""
    redirect: Redirect | None = None
    respond: Response | None = None

    @property
    def answers(self) -> bool:
        """Whether pylb answers the requests itself."""
        return self.redirect is not None or self.respond is not None


NO_ACTIONS = Actions()


def read_field_action(verb: Verb, name: str, value: str | None, *, response: bool = False) -> FieldAction:
    """Check a change to a header field."""
    name, value = read_field(name, value)
    if (_OWN_RESPONSE if response else _OWN).fullmatch(name.lower().encode()):
        raise ValueError(f"{name!r} is a field that pylb writes itself, expected another one")
    return FieldAction(verb, name, value)


def read_redirect(text: str) -> Redirect:
    """Read a redirect such as `301,https://$host$path`."""
    code, comma, url = text.partition(",")
    if not comma or code not in {"301", "302", "303", "307", "308"}:
        raise ValueError(f"{text!r} is no redirect, expected 301, 302, 303, 307 or 308, a comma and a URL")
    if not url or not _URL.fullmatch(url) or len(url) > LONGEST_VALUE:
        raise ValueError(f"{url!r} is no URL, expected one like https://$host$path or /login")
    if url.startswith("//") or _VARIABLE.search(url):
        raise ValueError(f"{url!r} is no URL for redirects, expected no variables but $path and $host")
    return Redirect(int(code), url)


def read_response(text: str) -> Response:
    """Read a response such as `404,no such page`; the text may be missing."""
    code, _, words = text.partition(",")
    if not re.fullmatch(r"[2-5][0-9][0-9]", code) or int(code) in {204, 205, 304}:
        raise ValueError(
            f"{text!r} is no response, expected a status from 200 to 599 and a text, like 404,gone"
        )
    if not _TEXT.fullmatch(words) or len(words) > LONGEST_VALUE:
        raise ValueError(f"{words!r} is no text, expected up to {LONGEST_VALUE} ASCII characters")
    return Response(int(code), words)


def read_networks(text: str) -> tuple[str, ...]:
    """Read networks such as `10.0.0.0/8,2001:db8::/32`. One that is wrong makes all wrong: they protect."""
    networks = text.split(",")
    for network in networks:
        try:
            ip_network(network)
        except ValueError:
            raise ValueError(f"{network!r} is no network, expected one like 10.0.0.0/8") from None
    if len(networks) > MOST_NETWORKS:
        raise ValueError(f"{len(networks)} networks, expected at most {MOST_NETWORKS}")
    return tuple(networks)


def read_upstream_host(text: str) -> str:
    """Read the host that a backend receives: a name with or without a port, or `dst`."""
    if text == TO_BACKEND:
        return text
    port = _PORT.search(text)
    name = text[: port.start()] if port else text
    if "*" in name:
        raise ValueError(f"{text!r} is no host, expected one like shop.example.com")
    return str(read_host(name)) + (port[0] if port else "")

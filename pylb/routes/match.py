"""What requests a route takes: host, path, and further matchers. Values and their checks.

Each function that reads a text raises ValueError with a phrase: what was given, and what is expected.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from pylb.routes.path import normalise

LONGEST_PATH = 512
"""Bytes of a path in a route. Lookups cost as much as the longest path has segments."""

LONGEST_VALUE = 1024
"""Characters of a value in a route: of a header field, of a URL."""

_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\]")
_HOST_GLOB = re.compile(r"[a-z0-9_.*?-]+")
_PATH = re.compile(r"/[!-~]*")
_METHOD = re.compile(r"[A-Z][A-Z_-]{0,31}")
_FIELD = re.compile(r"[A-Za-z][0-9A-Za-z!#$%&'*+.^_`|~-]{0,127}")
_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")


class Labels(Enum):
    """How many labels `*` stands for."""

    NONE = "none"
    """The host is exact."""
    ANY = "any"
    """One or more, as in nginx and fabio."""
    ONE = "one"
    """Exactly one, as in Traefik and in certificates."""
    GLOB = "glob"
    """`*` and `?` stand anywhere in the name, as in fabio."""


@dataclass(frozen=True, slots=True)
class Host:
    """A host: exact, all hosts below a name, or any host."""

    name: str = ""
    """In lower case, without a port. Empty for any host."""
    labels: Labels = Labels.NONE
    """What may precede the name."""

    def __str__(self) -> str:
        return f"*.{self.name}" if self.labels in {Labels.ANY, Labels.ONE} else self.name

    @property
    def weight(self) -> int:
        """The number of characters that a host must have, as far as the pattern gives them."""
        return len(re.sub(r"[*?]", "", str(self)))


ANY_HOST = Host()


class PathKind(Enum):
    """How a path is compared. The order is that of precedence among paths of one length."""

    EXACT = "exact"
    """The whole path."""
    SEGMENTS = "segments"
    """The path, and all paths below it: `/api` takes `/api` and `/api/x`, not `/apis`."""
    PREFIX = "prefix"
    """All paths that begin with these characters: `/api` takes `/apis`, as in fabio and Traefik."""
    GLOB = "glob"
    """The whole path; `*` stands for any characters, `?` for one."""


@dataclass(frozen=True, slots=True)
class Match:
    """The conditions that a request must meet."""

    host: Host = ANY_HOST
    path: str = ""
    """In normal form; empty for any."""
    kind: PathKind = PathKind.SEGMENTS
    methods: tuple[str, ...] = ()
    """Sorted; empty for any."""
    headers: tuple[tuple[str, str], ...] = ()
    """Name in lower case and value: one field of the name has exactly this value."""
    queries: tuple[tuple[str, str], ...] = ()
    """Name and value, decoded: one parameter of the name has exactly this value."""
    patterns: tuple[tuple[str, str], ...] = ()
    """`host` or `path`, and an expression that it must match, as in rules of Traefik (`expression`)."""
    scheme: str = ""
    """`http` or `https`, as the client used it; empty for both."""
    default_port: bool = False
    """Whether a request that names a port other than its scheme's does not match, as in fabio."""
    excludes: tuple[Match, ...] = ()
    """Matches that a request must not meet, as in rules of Traefik."""

    @property
    def matchers(self) -> int:
        """The number of conditions besides host and path."""
        conditions = len(self.headers) + len(self.queries) + len(self.patterns) + len(self.excludes)
        return bool(self.methods) + bool(self.scheme) + conditions

    @property
    def of_port(self) -> bool:
        """Whether it is for one port of a host: `h:80/` precedes all paths of `h/` in fabio."""
        return self.default_port and bool(self.scheme)

    @property
    def literal(self) -> str:
        """The characters of the path before the first wildcard."""
        return re.split(r"[*?]", self.path, maxsplit=1)[0] if self.kind is PathKind.GLOB else self.path

    @property
    def place(self) -> str:
        """Host and path, as text."""
        return f"{self.host}{self.path}"

    @property
    def catches_all(self) -> bool:
        """Whether it names neither a host nor a path."""
        return self.host == ANY_HOST and (self.path == "" or self.any_path)

    @property
    def any_path(self) -> bool:
        """Whether it matches each path."""
        return not self.path or (self.kind is PathKind.PREFIX and self.path == "/")

    def overlaps(self, other: Match) -> bool:
        """Whether a request may meet the matchers of both. Host and path are not compared."""
        if self.methods and other.methods and not set(self.methods) & set(other.methods):
            return False
        if self.scheme and other.scheme and self.scheme != other.scheme:
            return False
        return not (_differ(self.headers, other.headers) or _differ(self.queries, other.queries))


def _differ(mine: tuple[tuple[str, str], ...], others: tuple[tuple[str, str], ...]) -> bool:
    """Whether one name has different values in both."""
    theirs = dict(others)
    return any(theirs.get(name, value) != value for name, value in mine)


def read_host(text: str, labels: Labels = Labels.ANY) -> Host:
    """Read a host such as `shop.example.com` or `*.example.com`.

    Args:
        text: in any case; a dot at the end is removed.
        labels: what `*` stands for.
    """
    name = text.lower().removesuffix(".")
    wild = name.startswith("*.")
    if not _HOST.fullmatch(name.removeprefix("*.")) or len(name) > 255 or (wild and "[" in name):
        raise ValueError(
            f"{text!r} is no host, expected one like shop.example.com or *.example.com, without a port"
        )
    return Host(name[2:], labels) if wild else Host(name)


def read_host_glob(text: str) -> Host:
    """Read a host such as `a*.example.com`, in which `*` is any characters and `?` is one."""
    name = text.lower().removesuffix(".")
    if not _HOST_GLOB.fullmatch(name) or len(name) > 255:
        raise ValueError(f"{text!r} is no host, expected one like a*.example.com, without a port")
    return Host(name, Labels.GLOB)


def read_path(text: str, kind: PathKind = PathKind.SEGMENTS) -> str:
    """Read a path; the result is in normal form and, for whole segments, without a slash at its end."""
    if not _PATH.fullmatch(text) or ("?" in text and kind is not PathKind.GLOB):
        raise ValueError(f"{text!r} is no path, expected one as it is sent, like /caf%C3%A9, without a query")
    if "#" in text or len(text) > LONGEST_PATH:
        raise ValueError(f"{text!r} is no path, expected at most {LONGEST_PATH} characters, without #")
    try:
        normal = normalise(text.encode()).decode()
    except ValueError as error:
        raise ValueError(f"{text!r} is no path: {error}") from None
    if normal != text:
        raise ValueError(f"{text!r} is not in normal form, expected {normal!r}")
    return text.rstrip("/") if kind is PathKind.SEGMENTS else text


def read_methods(text: str) -> tuple[str, ...]:
    """Read methods such as `GET,POST`."""
    methods = tuple(sorted(set(text.split(","))))
    if not all(map(_METHOD.fullmatch, methods)):
        raise ValueError(f"{text!r} is no list of methods, expected one like GET,POST")
    return methods


def read_field(name: str, value: str | None = None) -> tuple[str, str]:
    """Read the name and value of a header field. Neither can end the line that it is written to."""
    if not _FIELD.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a header field, expected one like X-Canary")
    if value is not None and (len(value) > LONGEST_VALUE or not _VALUE.fullmatch(value)):
        raise ValueError(
            f"{value!r} is no value of a header field, expected 1 to {LONGEST_VALUE} ASCII characters"
        )
    return name, value or ""

"""Translates the command line of gliderlabs' registrator into options of `pylb registrator`.

Its syntax is that of Go's flag package: `-internal`, `-ip 10.0.0.1`, `--ip=10.0.0.1`, `-cleanup=true`, and
the registry's URI as a positional argument. The options are those of its `-help` (release 7 and master).
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path

from pylb.config.kinds import CONSUL_SCHEMES, FLAG, Url
from pylb.config.option import Group, Option, options
from pylb.errors import UsageError

NAMES = {"useIpFromLabel": "use-ip-from-label"}
"""Options with another name in pylb."""
IGNORED = {
    "retry-attempts": "a number",
    "retry-interval": "milliseconds",
    "ttl-refresh": "seconds",
}
"""Options that have no effect, and the kind of their value. The registrator waits for Consul without a limit,
and confirms a TTL three times within its duration."""
OTHER_REGISTRIES = ("consulkv", "etcd", "skydns2", "zookeeper", "eureka")
MOUNTED = Path("/tmp/docker.sock")  # noqa: S108  # `engine_socket` checks its owner
"""Path at which registrator's documentation mounts the engine's socket."""
HELP = {"-help": "--help", "-version": "--version"}
_TRUE, _FALSE = frozenset({"1", "t", "true"}), frozenset({"0", "f", "false"})
"""Values of a boolean flag in Go, compared without case."""


def spelled_out(command: type[Group], arguments: list[str]) -> list[str]:
    """Translate arguments into options of a command; options of pylb are unchanged.

    Args:
        command: the class that declares the options.
        arguments: the arguments as typed.

    Raises:
        UsageError: a value is missing or cannot be used, or the registry is not Consul.
    """
    known = {each.flag[2:]: each for each in options(command)}
    return list(_options(known, iter(arguments)))


def engine_socket(given: Url, mounted: Path = MOUNTED) -> Url:
    """Return the path at which registrator's compose files mount the socket, if the given one does not exist.

    Args:
        given: the URL from the options.
        mounted: the path in registrator's compose files. Every user can write to /tmp, so only a socket that
            belongs to root is used.
    """
    if given.scheme != "unix" or Path(given.path).exists():
        return given
    try:
        found = mounted.stat()
    except OSError:
        return given
    return Url("unix", path=str(mounted)) if stat.S_ISSOCK(found.st_mode) and found.st_uid == 0 else given


def _options(known: dict[str, Option], words: Iterator[str]) -> Iterator[str]:
    for word in words:
        name, given, value = word.lstrip("-").partition("=")
        option = known.get(NAMES.get(name, name))
        if not word.startswith("-"):
            if uri := _registry(word):
                yield f"--consul={uri}"
        elif word in HELP:
            yield HELP[word]
        elif option and option.kind is FLAG:
            yield option.flag if not given or _boolean(word, value) else option.opposite
        elif not option and name not in IGNORED:
            yield word if word.startswith("--") or len(name) < 2 else f"-{word}"
        else:
            value = value if given else _next(word, words)
            if option is None:
                _integer(word, value, IGNORED[name])
            elif not _default(name, value):
                yield f"{option.flag}={value}"


def _default(name: str, value: str) -> bool:
    """Report whether a value means that the option is not set: `-resync 0`, `-ip ""`."""
    return not value or (name == "resync" and value == "0")


def _next(word: str, words: Iterator[str]) -> str:
    try:
        return next(words)
    except StopIteration:
        raise UsageError(f"{word}: expected a value") from None


def _boolean(word: str, value: str) -> bool:
    if value.lower() not in _TRUE | _FALSE:
        raise UsageError(f"{word.partition('=')[0]}: got {value!r}, expected true or false")
    return value.lower() in _TRUE


def _integer(word: str, value: str, expected: str) -> None:
    if not re.fullmatch(r"-?[0-9]{1,9}", value):
        raise UsageError(f"{word.partition('=')[0]}: got {value!r}, expected {expected}")


def _registry(uri: str) -> str:
    """Translate the registry's URI; empty for `consul://` alone. The path has no meaning for Consul.

    Raises:
        UsageError: the URI names another kind of registry.
    """
    scheme, separator, rest = uri.partition(":")
    if scheme.partition("-")[0] in OTHER_REGISTRIES:
        raise UsageError(f"got {uri!r}, expected consul://HOST:PORT: pylb registrator writes to Consul alone")
    if not separator or scheme not in CONSUL_SCHEMES or rest[:2] not in {"", "//"}:
        raise UsageError(f"got {uri!r}, expected an option such as --internal, or consul://HOST:PORT")
    if rest.startswith("///"):
        return uri
    place = rest.removeprefix("//").partition("/")[0]
    return f"{scheme}://{place}" if place else ""

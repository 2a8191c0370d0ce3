"""The command line of gliderlabs' registrator as options of `pylb registrator`: it is taken as it stands.

That one is Go's: `-internal`, `-ip 10.0.0.1`, `--ip=10.0.0.1`, `-cleanup=true`, and the registry's URI
without a flag. Its options are those of its `-help` (release 7 and master).
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
"""What has another name here."""
NEEDLESS = {
    "retry-attempts": "a number",
    "retry-interval": "milliseconds",
    "ttl-refresh": "seconds",
}
"""What does nothing here, and what its value is: the registrator waits for Consul for as long as it takes,
and confirms a TTL three times as often as needed."""
OTHER_REGISTRIES = ("consulkv", "etcd", "skydns2", "zookeeper", "eureka")
MOUNTED = Path("/tmp/docker.sock")  # noqa: S108  # `engine_socket` looks whose it is
"""Where registrator's documentation mounts the engine's socket."""
HELP = {"-help": "--help", "-version": "--version"}
_TRUE, _FALSE = frozenset({"1", "t", "true"}), frozenset({"0", "f", "false"})
"""Go's words for a switch's value, without regard to case."""


def spelled_out(command: type[Group], arguments: list[str]) -> list[str]:
    """Write arguments as options of a command; what is one already stays as it is.

    Args:
        command: declares the options.
        arguments: as typed.

    Raises:
        UsageError: a value is missing or cannot be used, or the registry is not Consul.
    """
    known = {each.flag[2:]: each for each in options(command)}
    return list(_options(known, iter(arguments)))


def engine_socket(given: Url, mounted: Path = MOUNTED) -> Url:
    """Find the engine's socket where registrator's compose files mount it, if it is not where it should be.

    Args:
        given: where the options say it is.
        mounted: registrator's place. As everybody may write to its folder, a socket there must be root's.
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
        elif not option and name not in NEEDLESS:
            yield word if word.startswith("--") or len(name) < 2 else f"-{word}"
        else:
            value = value if given else _next(word, words)
            if option is None:
                _integer(word, value, NEEDLESS[name])
            elif not _default(name, value):
                yield f"{option.flag}={value}"


def _default(name: str, value: str) -> bool:
    """Whether a value stands for "not given": `-resync 0` for never, `-ip ""` for none."""
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
    """Read the registry's URI; its path means nothing for Consul, and `consul://` is where Consul is anyway.

    Raises:
        UsageError: it is another registry's.
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

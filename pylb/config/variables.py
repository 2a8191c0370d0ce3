"""Checks that every environment variable that begins with `PYLB_` belongs to a command.

A misspelled variable is an error, as a misspelled flag is: the default would otherwise apply unnoticed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches

from pylb.errors import UsageError

PREFIX = "PYLB_"
ALIKE = 0.8
"""Minimum similarity, from 0 to 1, at which a variable of another command is suggested."""

CHILD, HANDOVER = "PYLB_CHILD", "PYLB_HANDOVER"
"""Variables that pylb passes to the processes it starts."""

_SERVICE_LINK = re.compile(
    r"PYLB_(?:[A-Z0-9_]+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_[0-9]+_[A-Z]+_(?:PROTO|PORT|ADDR))"
)
_SERVICE_URL = re.compile(r"PYLB_(?:[A-Z0-9_]+_)?PORT(?:_[0-9]+_[A-Z]+)?=[a-z]+://.*")

Variables = Callable[[], Iterable[Collection[str]]]
"""Yields the variables of all commands, one command at a time: most calls need only the first."""


def check_variables(environment: Mapping[str, str], own: Collection[str], others: Variables) -> None:
    """Reject variables that begin with `PYLB_` and belong to no command.

    An empty variable counts as unset. Kubernetes sets variables for each service of a container's namespace
    ("Discovering services"); those for a service whose name begins with `pylb` are accepted.

    Args:
        environment: the environment variables.
        own: the variables of the command.
        others: the variables of all commands, which may be set for another command.

    Raises:
        UsageError: a variable is unknown; the message suggests a similar one.
    """
    left = {
        name
        for name, value in environment.items()
        if value and name.startswith(PREFIX) and not _is_about_a_service(name, value)
    } - {*own, CHILD, HANDOVER}
    theirs: list[str] = []
    for variables in others() if left else ():
        left -= set(variables)
        theirs += variables
        if not left:
            break
    if left:
        name = min(left)
        raise _not_known("variable", name, _closest(name, own) or _closest(name, theirs, cutoff=ALIKE))


def unknown(what: str, word: str, known: Collection[str]) -> UsageError:
    """Return the error for an unknown word, with the most similar known one."""
    return _not_known(what, word, "".join(get_close_matches(word, known, n=1)))


def _closest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """The most similar variable, compared without the common prefix; empty if none is similar."""
    rests = [each.removeprefix(PREFIX) for each in known]
    return "".join(PREFIX + rest for rest in get_close_matches(name.removeprefix(PREFIX), rests, 1, cutoff))


def _not_known(what: str, word: str, close: str) -> UsageError:
    advice = f"did you mean {close}?" if close else "see pylb --help"
    return UsageError(f"{word!r} is not a known {what}; {advice}")


def _is_about_a_service(name: str, value: str) -> bool:
    return bool(_SERVICE_LINK.fullmatch(name) or _SERVICE_URL.fullmatch(f"{name}={value}"))

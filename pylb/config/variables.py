"""Which variables of the environment that begin with `PYLB_` mean something; any other one is a mistake.

A misspelled variable is refused as a misspelled flag is: a default in its place would go unnoticed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches

from pylb.errors import UsageError

PREFIX = "PYLB_"
ALIKE = 0.8
"""How similar a variable of another command must be to be suggested, from 0 to 1."""

CHILD, HANDOVER = "PYLB_CHILD", "PYLB_HANDOVER"
"""What processes of pylb pass to those that they start."""

_SERVICE_LINK = re.compile(
    r"PYLB_(?:[A-Z0-9_]+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_[0-9]+_[A-Z]+_(?:PROTO|PORT|ADDR))"
)
_SERVICE_URL = re.compile(r"PYLB_(?:[A-Z0-9_]+_)?PORT(?:_[0-9]+_[A-Z]+)?=[a-z]+://.*")

Variables = Callable[[], Iterable[Collection[str]]]
"""The variables of all commands, command by command: most are never asked for."""


def check_variables(environment: Mapping[str, str], own: Collection[str], others: Variables) -> None:
    """Refuse what begins with `PYLB_` and is no variable of any command.

    An empty variable counts as not set. Kubernetes gives each container variables about each service of its
    namespace ("Discovering services"): those about one whose name begins with `pylb` are no mistake.

    Args:
        environment: the variables.
        own: those that the command reads.
        others: those of all commands; they may be set for another one.

    Raises:
        UsageError: one is not known; the message suggests another.
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
    """Say that a word is not known, and which one may have been meant."""
    return _not_known(what, word, "".join(get_close_matches(word, known, n=1)))


def _closest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """The most similar variable, by what follows the prefix, which all have; empty if none is."""
    rests = [each.removeprefix(PREFIX) for each in known]
    return "".join(PREFIX + rest for rest in get_close_matches(name.removeprefix(PREFIX), rests, 1, cutoff))


def _not_known(what: str, word: str, close: str) -> UsageError:
    advice = f"did you mean {close}?" if close else "see pylb --help"
    return UsageError(f"{word!r} is not a known {what}; {advice}")


def _is_about_a_service(name: str, value: str) -> bool:
    return bool(_SERVICE_LINK.fullmatch(name) or _SERVICE_URL.fullmatch(f"{name}={value}"))

"""The mechanism: an option is a field of a frozen dataclass, and all that is said of it is said there.

A group of options is such a dataclass with a `title`; what a command takes is the dataclass that inherits
from the groups which it needs. `parse` reads the command line and the environment by it, `manual` writes the
help.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from inspect import get_annotations
from typing import Any, ClassVar, TypeVar, cast, overload

from pylb.config.kinds import FLAG, Kind
from pylb.config.variables import PREFIX

T = TypeVar("T")


class Group:
    """A set of options that belong together: the base of every dataclass with options."""

    title: ClassVar[str]
    """The heading in the help."""
    prefix: ClassVar[str] = PREFIX
    """Of a command: what its variables begin with."""
    shared: ClassVar[bool] = False
    """Of a group: whether its variables are the same in all commands, whatever their prefix."""

    def check(self) -> None:
        """Look at the options that only make sense together, once all are read.

        Raises:
            UsageError: they contradict each other, or one is missing.
        """


@dataclass(frozen=True, slots=True)
class Option:
    """All that is known of one option beside its value."""

    name: str
    variable: str
    """`PYLB_CONNECT_TIMEOUT`."""
    kind: Kind[object]
    default: str | None
    """As a user would type it, with its unit; None: there is no default."""
    text: str
    """One sentence for the help and the manual."""
    fallbacks: tuple[str, ...]
    """Variables of other programs that are honoured where pylb's own is not set."""
    repeatable: bool

    @property
    def flag(self) -> str:
        """`--connect-timeout`."""
        return "--" + self.name.replace("_", "-")

    @property
    def opposite(self) -> str:
        """`--no-consul-verify`, for a switch; empty for anything else."""
        return f"--no-{self.flag[2:]}" if self.kind is FLAG else ""


@overload
def option(
    kind: Kind[T], default: str, text: str, *, fallbacks: tuple[str, ...] = (), secret: bool = False
) -> T: ...
@overload
def option(
    kind: Kind[T], default: None, text: str, *, fallbacks: tuple[str, ...] = (), secret: bool = False
) -> T | None: ...
def option(
    kind: Kind[Any],
    default: str | None,
    text: str,
    *,
    fallbacks: tuple[str, ...] = (),
    secret: bool = False,
) -> Any:
    """Declare a field as an option.

    Args:
        kind: what its value may be.
        default: as a user would type it, with its unit; None for "not given".
        text: one sentence that says what it does.
        fallbacks: variables of other programs that are honoured where pylb's own is not set.
        secret: keep the value out of `repr`, so that no log line shows it.
    """
    value = None if default is None else kind.parse(default)
    about = {"kind": kind, "default": default, "text": text, "fallbacks": fallbacks, "repeatable": False}
    return field(default=value, repr=not secret, metadata=about)


def repeated(kind: Kind[T], default: str | None, text: str) -> tuple[T, ...]:
    """Declare a field as an option that may be given several times; its value is a tuple."""
    values = () if default is None else (kind.parse(default),)
    about = {"kind": kind, "default": default, "text": text, "fallbacks": (), "repeatable": True}
    return cast(tuple[T, ...], field(default=values, metadata=about))


def groups(command: type[Group]) -> Iterator[tuple[str, list[Option]]]:
    """Yield a command's options as (title, options), its own before those of the groups it inherits.

    A command may declare an option of a group once more, to give it another default; it is listed once.
    """
    left = {f.name: f for f in fields(cast(Any, command))}
    for group in command.__mro__:
        declared = [left.pop(name) for name in get_annotations(group) if name in left]
        if declared:
            yield group.title, [Option(f.name, _variable(command, f.name), **f.metadata) for f in declared]  # type: ignore[attr-defined]


def _variable(command: type[Group], name: str) -> str:
    """The variable of an option. A command that declares one of a shared group anew does not rename it."""
    shared = any("shared" in vars(group) and name in get_annotations(group) for group in command.__mro__)
    return (PREFIX if shared else command.prefix) + name.upper()


def options(command: type[Group]) -> list[Option]:
    """All options of a command."""
    return [each for _, members in groups(command) for each in members]


def in_force(made: Group) -> dict[str, str]:
    """The values of all options by flag, for people to read; `(secret)` for those that are."""
    return {
        "--" + f.name.replace("_", "-"): _shown(getattr(made, f.name), secret=not f.repr)
        for f in fields(cast(Any, made))
    }


def _shown(value: object, *, secret: bool) -> str:
    if value is None or value == ():
        return ""
    if secret:
        return "(secret)"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)

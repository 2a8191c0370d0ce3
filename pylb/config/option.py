"""The declaration of options as fields of frozen dataclasses.

A group is such a dataclass with a `title`. A command is a dataclass that inherits from groups. `parse` reads
the command line and the environment into it, and `manual` writes its help. This module contains no
particular option.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields
from inspect import get_annotations
from typing import Any, ClassVar, Self, TypeVar, cast, overload

from pylb.config.kinds import FLAG, Kind
from pylb.config.variables import PREFIX

T = TypeVar("T")


class Group:
    """A set of related options: the base of every dataclass with options."""

    title: ClassVar[str]
    """The heading in the help."""
    prefix: ClassVar[str] = PREFIX
    """Of a command: the prefix of its variables. Of a group: the prefix of its variables, if it differs."""
    shared: ClassVar[bool] = False
    """Of a group: whether its variables have the same names in all commands, whatever their prefix."""

    @classmethod
    def of(cls, options: Self) -> Self:
        """Return this group's options among those of a command, as a value for the layer that reads them."""
        return cls(**{f.name: getattr(options, f.name) for f in fields(cast(Any, cls))})

    def check(self) -> None:
        """Check options that depend on each other, after all are read.

        Raises:
            UsageError: options contradict each other, or one is missing.
        """


@dataclass(frozen=True, slots=True)
class Option:
    """The declaration of one option, without its value."""

    name: str
    variable: str
    """`PYLB_CONNECT_TIMEOUT`."""
    kind: Kind[object]
    default: str | None
    """As a user types it, with its unit; None if there is no default."""
    text: str
    """The help text: one to three short sentences."""
    fallbacks: tuple[str, ...]
    """Variables of other programs that are read if pylb's own is not set."""
    repeatable: bool

    @property
    def flag(self) -> str:
        """`--connect-timeout`."""
        return "--" + self.name.replace("_", "-")

    @property
    def opposite(self) -> str:
        """`--no-consul-verify` for a switch, empty for other kinds."""
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
        kind: the type of its value.
        default: as a user types it, with its unit; None if there is no default.
        text: the help text. It states the effect, and the default behaviour unless `default` shows it.
        fallbacks: variables of other programs that are read if pylb's own is not set.
        secret: exclude the value from `repr` and thus from log lines.
    """
    value = None if default is None else kind.parse(default)
    about = {"kind": kind, "default": default, "text": text, "fallbacks": fallbacks, "repeatable": False}
    return field(default=value, repr=not secret, metadata=about)


def repeated(kind: Kind[T], default: str | None, text: str) -> tuple[T, ...]:
    """Declare a field as a repeatable option; its value is a tuple."""
    values = () if default is None else (kind.parse(default),)
    about = {"kind": kind, "default": default, "text": text, "fallbacks": (), "repeatable": True}
    return cast(tuple[T, ...], field(default=values, metadata=about))


def groups(command: type[Group]) -> Iterator[tuple[str, list[Option]]]:
    """Yield a command's options as (title, options), its own before those of inherited groups.

    A command may redeclare an option of a group with another default; the option is listed once. Redeclaring
    an option of a shared group does not rename its variable.
    """
    declared = {group: get_annotations(group) for group in command.__mro__}
    shared = {name for group in declared if "shared" in vars(group) for name in declared[group]}
    left = {f.name: f for f in fields(cast(Any, command))}
    for group, names in declared.items():
        own = [left.pop(name) for name in names if name in left]
        if own:
            prefix = vars(group).get("prefix", command.prefix)
            yield group.title, [_declared(f, PREFIX if f.name in shared else prefix) for f in own]  # type: ignore[attr-defined]


def _declared(f: Field[Any], prefix: str) -> Option:
    return Option(f.name, prefix + f.name.upper(), **f.metadata)


def options(command: type[Group]) -> list[Option]:
    """All options of a command."""
    return [each for _, members in groups(command) for each in members]


def in_force(made: Group) -> dict[str, str]:
    """The values of all options by flag, as text for display; secrets as `(secret)`."""
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

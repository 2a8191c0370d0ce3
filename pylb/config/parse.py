"""Parses the command line and the environment into a command's options.

Every error is a `UsageError` with a message of one line.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pylb.config.envfile import read_env_file
from pylb.config.option import Group, Option, options
from pylb.config.variables import Variables, check_variables, unknown
from pylb.errors import UsageError

G = TypeVar("G", bound=Group)


def parse(
    command: type[G],
    arguments: Sequence[str],
    environment: Mapping[str, str],
    others: Variables = tuple,
) -> G:
    """Parse the options of a command.

    Precedence: the command line, `PYLB_*` variables, variables of other programs, the default. An empty
    variable counts as unset, because Compose files pass unset variables as empty ones. Variables of the
    environment take precedence over those of the same name in `--env-file`.

    Args:
        command: the class that declares the options.
        arguments: the command line after the name of the command.
        environment: the environment variables.
        others: the variables of other commands, which may also be set.

    Raises:
        UsageError: an option or a `PYLB_` variable is unknown, or a value is missing or invalid. The
            message names the source, the value and the expected form.
    """
    declared = options(command)
    given = _split(declared, arguments)
    environment = _more(declared, given, environment)
    check_variables(environment, [o.variable for o in declared], others)
    values = {o.name: _value(o, *found) for o in declared if (found := _find(o, given, environment))}
    made = command(**values)
    made.check()
    return made


def _more(
    declared: list[Option], given: Mapping[str, list[str]], environment: Mapping[str, str]
) -> Mapping[str, str]:
    """The environment, extended by the variables of `--env-file` if the command has that option."""
    for option in declared:
        if option.name == "env_file" and (found := _find(option, given, environment)):
            source, (*_, path) = found
            return {**read_env_file(path, source), **{k: v for k, v in environment.items() if v}}
    return environment


def _split(declared: list[Option], arguments: Sequence[str]) -> dict[str, list[str]]:
    """Group the arguments by option, as texts; values are not parsed."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for each in declared:
        if each.opposite:
            parser.add_argument(each.flag, dest=each.name, action="append_const", const="on")
            parser.add_argument(each.opposite, dest=each.name, action="append_const", const="off")
        else:
            parser.add_argument(each.flag, dest=each.name, action="append")
    try:
        parsed, rest = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        flag = str(error.argument_name)
        kind = next(o.kind for o in declared if flag in {o.flag, o.opposite})
        raise UsageError(f"{flag}: expected {kind.expected if kind.metavar else 'no value'}") from None
    if rest:
        raise _unexpected(rest[0], declared)
    return {name: texts for name, texts in vars(parsed).items() if texts is not None}


def _unexpected(argument: str, declared: list[Option]) -> UsageError:
    flag = argument.partition("=")[0]
    if not flag.startswith("-"):
        return UsageError(f"got {argument!r}, expected an option such as {declared[0].flag}")
    return unknown("option", flag, [name for o in declared for name in (o.flag, o.opposite) if name])


def _find(
    option: Option, given: Mapping[str, list[str]], environment: Mapping[str, str]
) -> tuple[str, list[str]] | None:
    """The source of an option, and its texts; None if it is not given."""
    if option.name in given:
        return option.flag, given[option.name]
    for variable in (option.variable, *option.fallbacks):
        text = environment.get(variable)
        if text:
            return variable, list(_values(text)) if option.repeatable else [text]
    return None


_ITEM = re.compile(r"""(?:[^,'"]|"[^"]*"|'[^']*'|["'])+""")
"""Characters up to a comma that no quotes enclose. A quote that stays open encloses nothing."""

_QUOTED = re.compile(r"""'[^']*'|"[^"]*["]""")


def _values(text: str) -> Iterator[str]:
    """Yield the values of a repeatable option in a variable.

    They are separated by commas outside quotes. Quotes around a whole value are not a part of it.
    """
    for item in map(str.strip, _ITEM.findall(text)):
        if item:
            yield item[1:-1] if _QUOTED.fullmatch(item) else item


def _value(option: Option, source: str, texts: list[str]) -> Any:
    """Parse the texts. The last one wins if the option is not repeatable."""
    values = []
    for text in texts:
        try:
            values.append(option.kind.parse(text.strip()))
        except ValueError:
            raise UsageError(f"{source}: got {text!r}, expected {option.kind.expected}") from None
    return tuple(values) if option.repeatable else values[-1]

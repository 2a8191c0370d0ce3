"""Writes the documentation of the options: the help on a terminal and the page docs/config.md."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from pylb.config.backends import POLICIES
from pylb.config.kinds import ADDRESS, CONSUL, DURATION, FILE, FLAG, SIZE
from pylb.config.option import Group, Option, groups, options
from pylb.config.options import Options

_COLUMN = 30
"""The column of the help texts; a longer flag occupies a separate line."""


def help_text(command: type[Group], width: int = 100) -> str:
    """Return the help of a command's options for a terminal of `width` columns."""
    lines: list[str] = []
    for title, members in groups(command):
        lines += [
            title,
            *(line for each in members for line in entry(usage(each), _sentence(each), width)),
            "",
        ]
    example = options(command)[0]
    lines.append(f"Each option can also be set in the environment: {example.flag} is {example.variable}.")
    return "\n".join(lines)


def usage(option: Option) -> str:
    """The usage of an option: `--policy NAME`, `--[no-]consul-verify`."""
    return f"--[no-]{option.flag[2:]}" if option.opposite else f"{option.flag} {option.kind.metavar}"


def entry(term: str, sentence: str, width: int) -> Iterator[str]:
    """Yield the lines of a term and its help text in two columns."""
    first, *more = wrap(sentence, max(width - _COLUMN, 30), break_on_hyphens=False)
    left = f"  {term}"
    if len(left) + 2 > _COLUMN:
        yield left
        left = ""
    yield left.ljust(_COLUMN) + first
    for line in more:
        yield " " * _COLUMN + line


def _sentence(option: Option) -> str:
    notes = [f"default {option.default}"] if option.default is not None else []
    notes += ["repeatable"] if option.repeatable else []
    notes += [f"or ${name}" for name in option.fallbacks]
    return option.text.replace("`", "") + (f" ({', '.join(notes)})" if notes else "")


_INTRODUCTION = f"""\
# Options

<!-- Written by `make docs` from the declarations in pylb/config; do not edit it here. -->

There is no configuration file. Each option is a flag or an environment variable: `--policy random` is
`PYLB_POLICY=random`. Flags take precedence over `PYLB_*` variables, those over the variables of other
programs, and those over defaults. An empty variable counts as unset. A *repeatable* option may be given
several times; in the environment, commas separate its values.

This page lists the options of `pylb serve`, the default command. `pylb COMMAND --help` lists the options of
another command. The variables of other commands contain the command: `pylb history --service web` is
`PYLB_HISTORY_SERVICE=web`. Only the variables for Consul, Docker and logging are the same in all commands.

pylb rejects a variable that begins with `PYLB_` and belongs to no command, as it rejects a misspelled flag.
It ignores the variables that Kubernetes sets for a service named `pylb` (`PYLB_SERVICE_HOST`,
`PYLB_PORT_80_TCP`).

If a value is invalid, pylb exits at the start with code 2 and one line that names the source, the value and
the expected form:

    pylb: --policy: got 'foo', expected one of {", ".join(POLICIES)}
"""


_DESCRIBED = (DURATION, SIZE, ADDRESS, CONSUL, FILE)


def markdown() -> str:
    """Return the text of docs/config.md: the options of `pylb serve`, one table per group."""
    lines = [_INTRODUCTION]
    for title, members in groups(Options):
        lines += [f"## {title}", "", "| Option | Environment | Default | Meaning |", "|---|---|---|---|"]
        lines += [_row(each) for each in members]
        lines.append("")
    lines += ["## Values", "", "| Placeholder | Expected |", "|---|---|"]
    lines += [f"| `{kind.metavar}` | {_cell(kind.expected)} |" for kind in _DESCRIBED]
    lines += [f"| a switch, in the environment | {FLAG.expected} |", ""]
    return "\n".join(lines)


def _row(option: Option) -> str:
    variables = ", ".join(f"`{name}`" for name in (option.variable, *option.fallbacks))
    default = _code(option.default) if option.default is not None else ""
    text = option.text + (" *Repeatable.*" if option.repeatable else "")
    return f"| {_code(usage(option))} | {variables} | {default} | {_cell(text)} |"


def _code(text: str) -> str:
    return f"`{_cell(text)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")

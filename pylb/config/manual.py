"""What a person reads about the options: the help on a terminal and the page docs/config.md."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from pylb.config.kinds import ADDRESS, CONSUL, DURATION, FILE, FLAG, SIZE
from pylb.config.option import Group, Option, groups, options
from pylb.config.options import Options

_COLUMN = 30
"""Where the sentences begin; a longer flag has a line of its own."""


def help_text(command: type[Group], width: int = 100) -> str:
    """Describe a command's options for a terminal of `width` columns."""
    lines: list[str] = []
    for title, members in groups(command):
        lines += [
            title,
            *(line for each in members for line in entry(usage(each), _sentence(each), width)),
            "",
        ]
    example = options(command)[0]
    lines.append(f"Each option can be set in the environment too: {example.flag} is {example.variable}.")
    return "\n".join(lines)


def usage(option: Option) -> str:
    """How an option is typed: `--policy NAME`, `--[no-]consul-verify`."""
    return f"--[no-]{option.flag[2:]}" if option.opposite else f"{option.flag} {option.kind.metavar}"


def entry(term: str, sentence: str, width: int) -> Iterator[str]:
    """Lay out a term and its explanation in two columns."""
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


_INTRODUCTION = """\
# Options

<!-- Written by `make docs` from the declarations in pylb/config; do not edit it here. -->

There is no configuration file. Each option is a flag, or a variable in the environment: `--policy random` is
`PYLB_POLICY=random`. A flag goes before a variable, `PYLB_*` before the variables of other programs, those
before the default. A variable that is empty counts as not set. An option that is *repeatable* may be given
several times; in the environment, commas separate its values.

These are the options of `pylb serve`, the command that is run if none is named. The variables of other
commands have the command in their name: `pylb history --service web` is `PYLB_HISTORY_SERVICE=web`. Only how
Consul and Docker are reached and what is logged is the same for all commands. `pylb COMMAND --help` lists a
command's options.

A variable whose name begins with `PYLB_` and that no command knows is refused, as a misspelled flag is. Those
that Kubernetes sets for a service named `pylb` are not (`PYLB_SERVICE_HOST`, `PYLB_PORT_80_TCP`).

A value that cannot be used ends pylb at its start with exit code 2 and one line: where it came from,
what it was and what is expected:

    pylb: --policy: got 'foo', expected one of least-connections, round-robin, random-two, random
"""


_EXPLAINED = (DURATION, SIZE, ADDRESS, CONSUL, FILE)


def markdown() -> str:
    """Write docs/config.md: all that `pylb` takes, as a table for each group."""
    lines = [_INTRODUCTION]
    for title, members in groups(Options):
        lines += [f"## {title}", "", "| Option | Environment | Default | |", "|---|---|---|---|"]
        lines += [_row(each) for each in members]
        lines.append("")
    lines += ["## Values", "", "| Written as | Expected |", "|---|---|"]
    lines += [f"| `{kind.metavar}` | {_cell(kind.expected)} |" for kind in _EXPLAINED]
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

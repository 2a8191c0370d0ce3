"""The command line: which command, its options, and one line for whatever a user got wrong.

A command is an entry of `COMMANDS`: where its options are declared, and the function that takes them and
returns the exit code. Nothing of a command is imported before it is asked for.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pkgutil import resolve_name

from pylb import __version__
from pylb.config.option import Group, options
from pylb.config.parse import parse
from pylb.config.variables import unknown
from pylb.errors import StartError, UsageError
from pylb.printable import printable


@dataclass(frozen=True, slots=True)
class Command:
    """One thing that pylb can be told to do."""

    summary: str
    options: str
    """Its options, as `module:class`."""
    run: str
    """What takes them and returns the exit code, as `module:function`."""
    spelled_out: str = ""
    """What turns another way of writing its arguments into options, as `module:function`."""


DEFAULT = "serve"
"""What is done where no command is named."""

COMMANDS = {
    DEFAULT: Command(
        "Balance requests over the instances of services; the command may be left out.",
        "pylb.config:Options",
        "pylb.supervisor.start:run",
    ),
    "reload": Command(
        "Have a running pylb replace its workers, with the code and options of now; 1 if it refuses.",
        "pylb.supervisor.command:Awaited",
        "pylb.supervisor.command:reload",
    ),
    "upgrade": Command(
        "Have a running pylb replaced by the program that is there now, without losing a request.",
        "pylb.supervisor.command:Awaited",
        "pylb.supervisor.command:upgrade",
    ),
    "stop": Command(
        "Have a running pylb finish what runs, and end.",
        "pylb.supervisor.command:Target",
        "pylb.supervisor.command:stop",
    ),
    "registrator": Command(
        "Keep Consul equal to the containers that run on a Docker engine.",
        "pylb.tools.registrator:RegistratorOptions",
        "pylb.tools.registrator:run",
        "pylb.tools.registrator:spelled_out",
    ),
    "registry": Command(
        "Run a registry with Consul's HTTP API in memory, for tests and development.",
        "pylb.tools.registry:RegistryOptions",
        "pylb.tools.registry:run",
    ),
    "doctor": Command(
        "Look at Consul, Docker and pylb, and say what is wrong, why, and what helps.",
        "pylb.tools.doctor.command:DoctorOptions",
        "pylb.tools.doctor.command:run",
    ),
    "top": Command(
        "Show what a running pylb does: backends, traffic, problems, changes.",
        "pylb.tools.terminal.top:TopOptions",
        "pylb.tools.terminal.top:run",
    ),
    "history": Command(
        "List the changes of pools, their causes, and how long they took to reach requests.",
        "pylb.tools.terminal.history:HistoryOptions",
        "pylb.tools.terminal.history:run",
    ),
    "explain": Command(
        "Say where a request would go and why: pylb explain GET /path -H 'host: x'.",
        "pylb.tools.terminal.explain:ExplainOptions",
        "pylb.tools.terminal.explain:run",
        "pylb.tools.terminal.explain:spelled_out",
    ),
    "simulate": Command(
        "Try policies and settings on simulated backends, as many and as slow as you like.",
        "pylb.tools.simulate.command:SimulateOptions",
        "pylb.tools.simulate.command:run",
    ),
    "demo": Command(
        "Show it all on this machine: a registry, three web services, and pylb before them.",
        "pylb.tools.demo.command:DemoOptions",
        "pylb.tools.demo.command:run",
    ),
    "demo-backend": Command(
        "Run one small web service that says who it is.",
        "pylb.tools.demo.backend:BackendOptions",
        "pylb.tools.demo.backend:run",
    ),
}


ROLES = {
    role: Command("", "pylb.config:Options", function)
    for role, function in {
        "control": "pylb.control.process:run",
        "worker": "pylb.worker.process:run",
        "rehearse": "pylb.supervisor.preflight:run",
    }.items()
}
"""The child processes of a running pylb; the supervisor starts each with its own arguments."""


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say.

    Returns:
        the exit code: 0 for an orderly end, 1 if it could not start, 2 if the arguments cannot be used,
        130 if Ctrl-C ended it before it began.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        return _dispatch(arguments)
    except UsageError as error:
        return _fail(error, 2)
    except StartError as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return 130


def _dispatch(arguments: list[str]) -> int:
    name = arguments.pop(0) if arguments and not arguments[0].startswith("-") else DEFAULT
    command = COMMANDS.get(name) or ROLES.get(name)
    if command is None:
        raise unknown("command", name, COMMANDS)
    if command.spelled_out:
        arguments = resolve_name(command.spelled_out)(arguments)
    if "--version" in arguments:
        sys.stdout.write(f"pylb {__version__}\n")
        return 0
    declared: type[Group] = resolve_name(command.options)
    if "--help" in arguments or "-h" in arguments:
        sys.stdout.write(_help(name, command, declared))
        return 0
    parsed = parse(declared, arguments, os.environ, all_variables)
    return _load(command.run)(parsed)


def all_variables() -> Iterator[Collection[str]]:
    """The variables of each command; those of the one that most are meant for first."""
    for command in COMMANDS.values():
        yield [option.variable for option in options(resolve_name(command.options))]


def _load(name: str) -> Callable[[Group], int]:
    """Import what does a command's work.

    Raises:
        StartError: the program on the disk is broken or not complete. Whoever starts it again and again
            then gets a line each time, and not a traceback.
    """
    gc.disable()  # Loading leaves no garbage, and looking for it would take a tenth of the time.
    try:
        run: Callable[[Group], int] = resolve_name(name)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__}: {error} ({place.filename}, line {place.lineno})"
        raise StartError(f"cannot load the program: {what}") from error
    finally:
        gc.enable()
    return run


def _fail(error: Exception, code: int) -> int:
    sys.stderr.write(f"pylb: {printable(str(error))}\n")
    return code


def _help(name: str, command: Command, options: type[Group]) -> str:
    from pylb.config.manual import entry, help_text  # noqa: PLC0415 - only whoever asks for help pays for it

    width = min(shutil.get_terminal_size((100, 24)).columns, 110)
    lines = [f"pylb {__version__}: a load balancer that finds its backends by itself", ""]
    if name == DEFAULT:
        lines += [
            "  pylb --consul HOST:PORT --service NAME [options]",
            "  pylb COMMAND [options]",
            "",
            "Commands",
        ]
        lines += [line for word, each in COMMANDS.items() for line in entry(word, each.summary, width)]
    else:
        lines += [f"  pylb {name} [options]", "", command.summary]
    lines += ["", help_text(options, width), ""]
    return "\n".join(lines)

"""The command line: selects a command, parses its options, runs it and reports errors in one line.

A command is an entry of `COMMANDS`: the class that declares its options, and the function that receives them
and returns the exit code. A command's modules are imported only when it runs, so that each command starts
fast. This module contains no work of a command.
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
    """One command of pylb."""

    summary: str
    options: str
    """The class that declares its options, as `module:class`."""
    run: str
    """The function that receives them and returns the exit code, as `module:function`."""
    spelled_out: str = ""
    """Optional: the function that translates positional arguments into options, as `module:function`."""


DEFAULT = "serve"
"""The command that runs if none is named."""

COMMANDS = {
    DEFAULT: Command(
        "Balance requests over the instances of services. This is the default command.",
        "pylb.config:Options",
        "pylb.supervisor.start:run",
    ),
    "reload": Command(
        "Replace the workers of a running pylb, with the current code and options; exit with 1 on failure.",
        "pylb.supervisor.command:Awaited",
        "pylb.supervisor.command:reload",
    ),
    "upgrade": Command(
        "Replace a running pylb by the installed version, without losing a request; exit with 1 on failure.",
        "pylb.supervisor.command:Awaited",
        "pylb.supervisor.command:upgrade",
    ),
    "stop": Command(
        "Stop a running pylb after it has finished the requests in flight.",
        "pylb.supervisor.command:Target",
        "pylb.supervisor.command:stop",
    ),
    "check": Command(
        "Check options, routes, files and the registry without serving; exit with 1 if there are problems.",
        "pylb.tools.check:CheckOptions",
        "pylb.tools.check:run",
    ),
    "plan": Command(
        "Replay recorded requests against proposed routes: which would go elsewhere.",
        "pylb.tools.plan.command:PlanOptions",
        "pylb.tools.plan.command:run",
    ),
    "registrator": Command(
        "Register the containers of a Docker engine in Consul, and deregister them when they stop.",
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
        "Diagnose Consul, Docker and pylb: report each problem, its cause and its remedy.",
        "pylb.tools.doctor.command:DoctorOptions",
        "pylb.tools.doctor.command:run",
    ),
    "top": Command(
        "Show the backends, traffic, problems and changes of a running pylb, continuously.",
        "pylb.tools.terminal.top:TopOptions",
        "pylb.tools.terminal.top:run",
    ),
    "history": Command(
        "List the changes of pools, their causes, and their propagation times.",
        "pylb.tools.terminal.history:HistoryOptions",
        "pylb.tools.terminal.history:run",
    ),
    "explain": Command(
        "Show how a request would be routed and why: pylb explain GET /path -H 'host: x'.",
        "pylb.tools.terminal.explain:ExplainOptions",
        "pylb.tools.terminal.explain:run",
        "pylb.tools.terminal.explain:spelled_out",
    ),
    "simulate": Command(
        "Compare policies and settings on simulated backends.",
        "pylb.tools.simulate.command:SimulateOptions",
        "pylb.tools.simulate.command:run",
    ),
    "demo": Command(
        "Run a demo on this machine: a registry, three web services, and pylb in front of them.",
        "pylb.tools.demo.command:DemoOptions",
        "pylb.tools.demo.command:run",
    ),
    "demo-backend": Command(
        "Run one small web service that reports its name.",
        "pylb.tools.demo.backend:BackendOptions",
        "pylb.tools.demo.backend:run",
    ),
}


ROLES = {
    role: Command("", "pylb.config:Options", function)
    for role, function in {
        "control": "pylb.control.process:run",
        "worker": "pylb.worker.process:run",
        "preflight": "pylb.supervisor.preflight:run",
    }.items()
}
"""The child processes of a running pylb; the supervisor starts each with its own arguments."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name.

    Returns:
        the exit code: 0 on success, 1 if the command cannot run, 2 if the arguments are invalid, 130 if
        Ctrl-C interrupted the start.
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
    """Yield the variables of each command, those of the default command first: they are the most common."""
    for command in COMMANDS.values():
        yield [option.variable for option in options(resolve_name(command.options))]


def _load(name: str) -> Callable[[Group], int]:
    """Import the function of a command.

    Raises:
        StartError: the installed program is broken or incomplete. A service manager that restarts it
            repeatedly then logs one line each time instead of a traceback.
    """
    gc.disable()  # Imports leave no garbage, and collections would take a tenth of the time.
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
    from pylb.config.manual import entry, help_text  # noqa: PLC0415 - only --help needs it

    width = min(shutil.get_terminal_size((100, 24)).columns, 110)
    lines = [f"pylb {__version__}: an HTTP load balancer with service discovery", ""]
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

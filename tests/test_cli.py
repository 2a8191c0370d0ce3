"""The program as typed: what it prints where, and the exit codes."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import types
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

import pylb
from pylb import cli
from pylb.errors import StartError, UsageError

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("PYLB_", "CONSUL_"))}
PYLB = [sys.executable, "-m", "pylb"]


def run(*arguments, **environment):
    """Run pylb with the arguments, and only these variables of its own, to its end."""
    command = [*PYLB, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, env=CLEAN | environment)


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        ([], {}, "expected --consul HOST:PORT and --service NAME"),
        (["--service"], {}, "--service: expected a service"),
        (["--service", "web"], {}, "expected --consul HOST:PORT"),
        (
            ["--consul", "nonsense:port", "--service", "web"],
            {},
            "--consul: got 'nonsense:port', expected host:port",
        ),
        (
            ["--static", "127.0.0.1:1", "--policy", "foo"],
            {},
            "--policy: got 'foo', expected one of least-con",
        ),
        (
            ["--static", "127.0.0.1:1"],
            {"PYLB_POLICY": "foo"},
            "PYLB_POLICY: got 'foo', expected one of least-con",
        ),
        (
            ["--static", "127.0.0.1:1"],
            {"PYLB_POLCY": "random"},
            "'PYLB_POLCY' is not a known variable; did you mean PYLB_POLICY?",
        ),
        (["history"], {"PYLB_POLCY": "random"}, "'PYLB_POLCY' is not a known variable"),
        (["dmo"], {}, "'dmo' is not a known command; did you mean demo?"),
        (["xyzzy"], {}, "'xyzzy' is not a known command; see pylb --help"),
        (["demo", "--polcy", "x"], {}, "'--polcy' is not a known option"),
    ],
)
def test_a_mistake_is_one_line_and_code_2(arguments, environment, words, monkeypatch, capsys):
    for name in os.environ.keys() - CLEAN.keys():
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cli.main(arguments) == 2
    out, line = capsys.readouterr()
    assert out == ""
    assert line.startswith("pylb: ")
    assert words in line
    assert line.count("\n") == 1


def test_a_process_prints_the_line_and_exits_with_the_code():
    ended = run("--policy", "foo")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("pylb: --policy: got 'foo', expected one of ")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--version"], ["demo", "--version"]])
def test_the_version_is_printed(arguments, capsys):
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out == f"pylb {pylb.__version__}\n"


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_all_commands_and_takes_precedence_over_mistakes(flag, capsys):
    assert cli.main(["--policy", "foo", flag]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"pylb {pylb.__version__}: ")
    assert all(f"\n  {name} " in out for name in cli.COMMANDS)
    assert "--connect-timeout" in out


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_can_be_loaded_and_has_help(name, capsys):
    assert cli.main([name, "--help"]) == 0
    assert f"pylb {name}" in capsys.readouterr().out or name == cli.DEFAULT
    assert callable(cli.resolve_name(cli.COMMANDS[name].run))


@pytest.mark.parametrize("role", cli.ROLES)
def test_every_child_process_has_its_function(role):
    assert callable(cli.resolve_name(cli.ROLES[role].run))


def test_every_function_that_is_loaded_by_name_exists():
    package = Path(cli.__file__).parent
    texts = [path.read_text() for path in package.rglob("*.py")]
    names = {name for text in texts for name in re.findall(r'"(pylb\.[\w.]+:\w+)"', text)}
    assert len(names) > len(cli.COMMANDS)
    assert all(map(cli.resolve_name, names))


@pytest.fixture
def command(monkeypatch):
    """Put a command of the test's own in the table; returns where to set what it does."""
    module = types.ModuleType("tests_command")
    module.Options = cli.resolve_name("pylb.config:Options")
    module.run = lambda options: 0
    monkeypatch.setitem(sys.modules, "tests_command", module)
    monkeypatch.setitem(cli.COMMANDS, "x", cli.Command("Try.", "tests_command:Options", "tests_command:run"))
    return module


def test_a_command_receives_its_options_and_returns_the_exit_code(command, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["pylb", "x", "--static", "a:1"])
    seen = []
    command.run = lambda options: seen.append(options) or 7
    assert cli.main() == 7
    assert seen == [command.Options(static="a:1")]


@pytest.mark.parametrize(
    ("error", "code"), [(UsageError("--listen: got twice"), 2), (StartError("port 80 is in use"), 1)]
)
def test_an_expected_failure_is_a_one_line_error(command, capsys, error, code):
    def fail(options):
        raise error

    command.run = fail
    assert cli.main(["x", "--static", "a:1"]) == code
    assert capsys.readouterr() == ("", f"pylb: {error}\n")


def test_ctrl_c_at_the_start_prints_no_traceback(command, capsys):
    def interrupted(options):
        raise KeyboardInterrupt

    command.run = interrupted
    assert cli.main(["x", "--static", "a:1"]) == 130
    assert capsys.readouterr() == ("", "")


def test_ctrl_c_during_imports_prints_no_traceback():
    """What is imported first sends the signal itself: the earliest moment there is."""
    code = (
        "import os, signal, sys, types\n"
        "class Early:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        name == 'pylb.cli' and os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Early())\n"
        "from pylb.__main__ import main\n"
        "main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, "")


def test_a_broken_installation_is_a_one_line_error(monkeypatch, capsys, tmp_path):
    (tmp_path / "torn.py").write_text("import os\nraise RuntimeError('half of it')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(cli.COMMANDS, "torn", cli.Command("", "pylb.config:Options", "torn:run"))
    assert cli.main(["torn", "--static", "a:1"]) == 1
    output = f"pylb: cannot load the program: RuntimeError: half of it ({tmp_path / 'torn.py'}, line 2)\n"
    assert capsys.readouterr() == ("", output)


def test_a_mistake_is_found_before_anything_heavy_is_imported():
    code = (
        "import sys; from pylb.cli import main; main(['--policy', 'foo']); "
        "sys.exit(str(sorted({'aiohttp', 'asyncio', 'uvloop', 'consul', 'rich'} & set(sys.modules)) or ''))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stderr.splitlines()[1:] == [""]


def test_a_port_in_use_is_a_one_line_error_with_code_1():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run("--static", "127.0.0.1:1", "--listen", address)
    assert ended.returncode == 1
    assert ended.stderr == f"pylb: --listen: cannot listen on {address}: Address already in use\n"


@pytest.mark.slow
async def test_static_backends_serve_until_the_stop_signal(aiohttp_server):
    async def hello(request):
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    origin = await aiohttp_server(app)
    places = ["--listen", "127.0.0.1:0", "--admin", "off"]
    program = await asyncio.create_subprocess_exec(
        *PYLB, "--static", f"127.0.0.1:{origin.port}", *places, stderr=asyncio.subprocess.PIPE, env=CLEAN
    )
    try:
        output = b""
        while not (found := re.search(rb"listens on ([0-9.:]+)", output)):
            output += await asyncio.wait_for(program.stderr.readline(), 20)
        address = found[1].decode()
        async with ClientSession() as client, client.get(f"http://{address}/") as answer:
            assert await answer.text() == "hello"
    finally:
        program.terminate()
    assert await asyncio.wait_for(program.wait(), 10) == 0

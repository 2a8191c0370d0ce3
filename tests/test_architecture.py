"""What holds for every file. Which module may import which is checked by import-linter, in `make lint`."""

import ast
import re
import subprocess
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.syntax import tree

ROOT = Path(__file__).parents[1]
LONGEST = 420
"""Lines; past that, a file holds more than one idea."""

LONGEST_NAP = 0.1
"""Seconds that a test may let pass before it looks again."""

MODULES = sorted((ROOT / "pylb").rglob("*.py"))
FILES = [*MODULES, *sorted((ROOT / "bench").rglob("*.py")), *sorted((ROOT / "tests").rglob("*.py"))]
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text() for path in FILES}


def test_no_file_is_too_long():
    assert {name: n for name, text in TEXTS.items() if (n := text.count("\n")) > LONGEST} == {}


def test_a_file_is_named_after_what_it_is():
    nameless = {"utils", "util", "common", "helpers", "helper", "core", "base", "misc"}
    assert [name for name in TEXTS if nameless & set(re.split(r"[/.]", name))] == []


def test_there_are_no_open_markers():
    mark = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|NotImplemented" r"Error)\b")
    assert [name for name, text in TEXTS.items() if mark.search(text)] == []


def test_no_test_is_skipped():
    skips = re.compile(r"pytest\.(mark\.)?(skip|x" r"fail|importor" r"skip)")
    assert [name for name, text in TEXTS.items() if skips.search(text)] == []


def test_no_test_sleeps_to_wait():
    """A test waits for a state; it may let the loop turn, and nap shortly between two looks."""
    naps = [
        f"{name}:{node.lineno}"
        for name, text in TEXTS.items()
        if name.startswith("tests/") and "sleep(" in text
        for node in ast.walk(tree(text))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"asyncio.sleep", "time.sleep", "sleep"}
        if not (isinstance(node.args[0], ast.Constant) and node.args[0].value < LONGEST_NAP)
    ]
    assert naps == []


TESTED_THROUGH = {
    "config/backends.py": "config/test_options.py",
    "config/clients.py": "config/test_options.py",
    "config/processes.py": "config/test_options.py",
    "config/records.py": "config/test_options.py",
    "config/registration.py": "control/test_registration.py",
    "config/sources.py": "config/test_options.py",
    "discovery/report.py": "discovery/test_pipeline.py",
    "policy/lease.py": "policy/test_pool.py",
    "assembly/admin_access.py": "scenarios/see/test_overrides.py",
    "routes/declaration.py": "routes/test_plain.py",
    "proxy/service.py": "worker/test_services.py",
    "routes/compiled.py": "routes/test_table.py",
    "routes/order.py": "routes/test_table.py",
    "routes/resolve.py": "routes/test_table.py",
    "routes/expression_syntax.py": "routes/test_expression.py",
    "routes/fabio.py": "routes/test_imports.py",
    "routes/quote.py": "routes/test_imports.py",
    "routes/traefik/labels.py": "routes/test_imports.py",
    "routes/traefik/middlewares.py": "routes/test_imports.py",
    "routes/traefik/routers.py": "routes/test_imports.py",
    "routes/traefik/rule.py": "routes/test_rule.py",
    "routes/route.py": "routes/test_grammar.py",
    "control/process.py": "scenarios/processes/test_crashes.py",
    "supervisor/process_manager.py": "scenarios/processes/test_crashes.py",
    "ipc/worker_client.py": "ipc/test_control_server.py",
    "supervisor/procedures.py": "scenarios/processes/test_reload.py",
    "control/admin_endpoint.py": "scenarios/see/test_registration.py",
    "supervisor/preflight.py": "scenarios/processes/test_reload.py",
    "balancer.py": "test_cli.py",
    "supervisor/start.py": "scenarios/processes/test_stop.py",
    "worker/worker.py": "scenarios/discovery/test_instances_come_and_go.py",
    "worker/process.py": "scenarios/processes/test_crashes.py",
    "proxy/addresses.py": "proxy/test_proxyprotocol.py",
    "proxy/early_response.py": "proxy/test_request_body.py",
    "proxy/client_connection.py": "proxy/h1/test_downstream.py",
    "proxy/clients.py": "proxy/test_server.py",
    "proxy/context.py": "proxy/test_server.py",
    "proxy/exchange.py": "proxy/test_forward.py",
    "proxy/handlers/choice.py": "proxy/handlers/test_redirect.py",
    "proxy/upstream/upstream.py": "proxy/test_forward.py",
    "proxy/multiplex/connection.py": "proxy/test_versions.py",
    "proxy/multiplex/stream.py": "proxy/test_versions.py",
    "proxy/transfer.py": "proxy/test_forward.py",
    "proxy/waiter.py": "proxy/test_closing.py",
}
"""Modules that only make sense together with others, and the tests that would fail without them."""


def test_every_module_has_a_test_file():
    modules = {path.relative_to(ROOT / "pylb") for path in MODULES if not path.name.startswith("__")}
    own = {module for module in modules if (ROOT / "tests" / module.parent / f"test_{module.name}").exists()}
    assert {module.as_posix() for module in modules - own} - set(TESTED_THROUGH) == set()
    assert [test for test in TESTED_THROUGH.values() if not (ROOT / "tests" / test).exists()] == []


def test_the_layers_include_every_part():
    """A new file or folder at the top must find its place among the layers, or no rule would hold for it."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    named = {name.strip().removeprefix("pylb.") for layer in layers for name in layer.split("|")}
    tools = {f"tools.{name}" for name in parts(ROOT / "pylb/tools")}
    assert named == parts(ROOT / "pylb") - {"__main__", "tools"} | tools


def parts(folder):
    """The names of the modules and packages in a folder."""
    found = {p.stem for p in folder.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    return found - {"__init__"}


def imports(name, modules):
    """The modules of pylb that one imports, anywhere in it: also in functions and under `TYPE_CHECKING`."""
    for node in ast.walk(tree(modules[name])):
        if isinstance(node, ast.Import):
            yield from {alias.name for alias in node.names} & modules.keys()
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in modules else node.module


def test_no_import_cycle():
    """A cycle makes its files one: none can be read, tested or replaced without the others."""
    modules = {
        name.removesuffix(".py").replace("/", ".").removesuffix(".__init__"): text
        for name, text in TEXTS.items()
        if name.startswith("pylb/")
    }
    graph = {name: set(imports(name, modules)) & modules.keys() for name in modules}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


PURE = {"http1", "http2", "policy", "routes", "observe", "model.py", "errors.py"}


def test_pure_layers_import_neither_network_nor_clock_even_indirectly():
    paths = [p for p in MODULES if p.relative_to(ROOT / "pylb").parts[0] in PURE]
    names = [".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for p in paths]
    seen = "print({'asyncio', 'socket', 'aiohttp'} & set(sys.modules))"
    code = f"import sys, {', '.join(names)}; {seen}"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stdout == "set()\n", ended.stderr


@pytest.mark.parametrize(
    ("process", "foreign"),
    [
        ("supervisor.supervisor", "asyncio uvloop aiohttp prometheus_client consul aiodocker rich"),
        ("control.process", "aiohttp.web consul aiodocker rich"),
        ("worker.process", "aiohttp yarl prometheus_client consul requests aiodocker rich"),
    ],
)
def test_a_process_imports_nothing_of_other_processes(process, foreign):
    """A killed worker must be back in a moment; a supervisor has little in it that could fail."""
    code = (
        f"import sys, pylb.cli, pylb.supervisor.start, pylb.{process};"
        f"print({set(foreign.split())!r} & set(sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stdout == "set()\n", ended.stderr


def functions(module):
    return [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_no_function_is_too_long():
    """What does not fit on a screen cannot be read aloud."""
    long = {
        f"{name}:{node.lineno} {node.name}": lines
        for name, text in TEXTS.items()
        if name.startswith("pylb/")
        for node in functions(tree(text))
        if (lines := node.end_lineno - node.lineno + 1) > 90
    }
    assert long == {}

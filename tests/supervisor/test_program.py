import subprocess
import sys

import pytest

CODE = """
import sys
from pylb.supervisor import program
print(program.command("worker", program.arguments()))
"""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], []),
        (["--static", "a:1", "-x"], ["--static", "a:1", "-x"]),
        (["serve", "--static", "a:1"], ["--static", "a:1"]),
    ],
)
def test_a_child_has_the_same_interpreter_and_script(tmp_path, arguments, expected):
    script = tmp_path / "pylb"
    script.write_text(CODE)
    ran = subprocess.run(
        [sys.executable, "-X", "utf8", str(script), *arguments], capture_output=True, text=True
    )
    assert ran.stdout == f"{[sys.executable, '-X', 'utf8', str(script), 'worker', *expected]}\n", ran.stderr


def test_a_module_is_run_as_a_module(tmp_path):
    (tmp_path / "thing").mkdir()
    (tmp_path / "thing" / "__main__.py").write_text(CODE)
    ran = subprocess.run([sys.executable, "-m", "thing", "--a"], capture_output=True, text=True, cwd=tmp_path)
    assert ran.stdout == f"{[sys.executable, '-m', 'thing', 'worker', '--a']}\n", ran.stderr

import json

import pytest

from bench.lib.command import Outcome, run_command
from bench.lib.server import StartError


@pytest.mark.parametrize(("holds", "code"), [(True, 0), (False, 1)])
def test_the_exit_code_tells_whether_the_bounds_are_kept(holds, code, tmp_path, capsys):
    path = tmp_path / "raw.json"

    def measure(console):
        console.print("figures")
        return Outcome({"results": [1]}, holds)

    assert run_command("bench.x", path, measure) == code
    assert capsys.readouterr().out.endswith("figures\n")
    assert json.loads(path.read_text()).keys() == {"machine", "results"}


@pytest.mark.parametrize(("error", "code"), [(StartError("no port"), 1), (KeyboardInterrupt(), 130)])
def test_what_prevents_a_measurement_ends_the_command(error, code, tmp_path, capsys):
    def measure(console):
        raise error

    assert run_command("bench.x", tmp_path / "raw.json", measure) == code
    assert capsys.readouterr().err == ("bench.x: no port\n" if code == 1 else "")
    assert not (tmp_path / "raw.json").exists()

import pytest

from pylb.config import Options
from pylb.config.envfile import read_env_file
from pylb.config.parse import parse
from pylb.errors import UsageError


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "pylb.env"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


def test_lines_comments_and_spaces(written):
    path = written("# first\n\nPYLB_POLICY=random\n  PYLB_STATIC = a:1,b:2=x \nEMPTY=\n   # last")
    assert read_env_file(path, "--env-file") == {
        "PYLB_POLICY": "random",
        "PYLB_STATIC": "a:1,b:2=x",
        "EMPTY": "",
    }


@pytest.mark.parametrize("line", ["PYLB_POLICY", "=x", "two words=x", "export A=b"])
def test_a_line_of_another_form_is_named(written, line):
    path = written(f"PYLB_POLICY=random\n{line}\n")
    with pytest.raises(UsageError) as raised:
        read_env_file(path, "--env-file")
    assert str(raised.value) == f"--env-file: {path}, line 2: got {line!r}, expected NAME=VALUE"


def test_an_unreadable_file_is_an_error(written):
    with pytest.raises(UsageError, match="--env-file: cannot read /nowhere/x"):
        read_env_file("/nowhere/x", "--env-file")
    with pytest.raises(UsageError, match="PYLB_ENV_FILE: cannot read"):
        read_env_file(written(b"\xff\xfe=1"), "PYLB_ENV_FILE")


def test_command_line_then_environment_then_file(written):
    path = written("PYLB_STATIC=file:1\nPYLB_POLICY=random\nPYLB_DRAIN_TIMEOUT=7s\nPYLB_LISTEN=\n")
    options = parse(
        Options,
        ["--env-file", path, "--static", "typed:1"],
        {"PYLB_STATIC": "variable:1", "PYLB_POLICY": "round-robin", "PYLB_DRAIN_TIMEOUT": ""},
    )
    assert (options.static, options.policy, options.drain_timeout) == ("typed:1", "round-robin", 7.0)
    assert parse(Options, [], {"PYLB_ENV_FILE": path}).static == "file:1"


def test_an_invalid_value_in_the_file_is_named(written):
    with pytest.raises(UsageError, match="PYLB_POLICY: got 'x', expected one of"):
        parse(Options, ["--env-file", written("PYLB_POLICY=x"), "--static", "a:1"], {})

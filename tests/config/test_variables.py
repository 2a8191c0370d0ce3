"""Which variables are refused, and which are for another command or from Kubernetes."""

import pytest

from pylb import cli
from pylb.config import Options
from pylb.config.option import options
from pylb.config.parse import parse
from pylb.config.variables import unknown
from pylb.errors import UsageError
from pylb.tools.demo.backend import BackendOptions
from pylb.tools.doctor.command import DoctorOptions
from pylb.tools.registrator import RegistratorOptions
from pylb.tools.terminal.history import HistoryOptions
from tests.every import every

ENOUGH = ["--static", "127.0.0.1:80"]


@every(
    ("variable", "advice"),
    [
        ("PYLB_POLCY", "did you mean PYLB_POLICY?"),
        ("PYLB_CONNECT_TIME_OUT", "did you mean PYLB_CONNECT_TIMEOUT?"),
        ("PYLB_HISTORY_SERVCE", "did you mean PYLB_HISTORY_SERVICE?"),
        ("PYLB_XYZZY", "see pylb --help"),
        ("PYLB_PORT", "see pylb --help"),
    ],
)
@every("command", [Options, HistoryOptions])
def test_an_unknown_variable_is_rejected_by_every_command(command, variable, advice):
    arguments = ENOUGH if command is Options else []
    with pytest.raises(UsageError) as caught:
        parse(command, arguments, {variable: "8080"}, cli.all_variables)
    assert str(caught.value) == f"{variable!r} is not a known variable; {advice}"


def test_an_unknown_variable_in_the_file_is_rejected(tmp_path):
    file = tmp_path / "pylb.env"
    file.write_text("PYLB_POLICY=random\nPYLB_DRAIN_TIMEOT=5s\nOTHER=x\n")
    with pytest.raises(UsageError, match="; did you mean PYLB_DRAIN_TIMEOUT"):
        parse(Options, [*ENOUGH, "--env-file", str(file)], {})


def test_empty_and_foreign_variables_are_ignored():
    assert parse(Options, ENOUGH, {"PYLB_POLCY": "", "PYLBX": "1", "HOME": "/root"})


def test_internal_variables_are_known():
    assert parse(Options, ENOUGH, {"PYLB_CHILD": "{}", "PYLB_HANDOVER": "{}"})


KUBERNETES = {
    "PYLB_SERVICE_HOST": "10.0.0.11",
    "PYLB_SERVICE_PORT": "80",
    "PYLB_SERVICE_PORT_HTTP": "80",
    "PYLB_PORT": "tcp://10.0.0.11:80",
    "PYLB_PORT_80_TCP": "tcp://10.0.0.11:80",
    "PYLB_PORT_80_TCP_PROTO": "tcp",
    "PYLB_PORT_80_TCP_PORT": "80",
    "PYLB_PORT_80_TCP_ADDR": "10.0.0.11",
    "PYLB_ADMIN_SERVICE_HOST": "10.0.0.12",
    "PYLB_ADMIN_PORT": "tcp://10.0.0.12:8081",
    "PYLB_ADMIN_PORT_8081_TCP": "tcp://10.0.0.12:8081",
}


def test_a_service_of_kubernetes_may_be_named_pylb():
    assert parse(Options, ENOUGH, KUBERNETES) == parse(Options, ENOUGH, {})


SERVE = {
    "PYLB_SERVICE": "web=/shop",
    "PYLB_ADMIN": "off",
    "PYLB_DOCKER": "true",
    "PYLB_LISTEN": "0.0.0.0:80",
    "PYLB_TAG": "blue",
    "PYLB_REGISTER": "lb",
    "PYLB_CONSUL": "consul:8500",
    "PYLB_TOKEN": "secret",
}


@pytest.mark.parametrize("command", [DoctorOptions, HistoryOptions, BackendOptions, RegistratorOptions])
def test_other_commands_read_only_the_shared_variables(command):
    shared = {"PYLB_CONSUL": "consul:8500", "PYLB_TOKEN": "secret"}
    expected = parse(command, [], shared, cli.all_variables)
    assert parse(command, [], SERVE, cli.all_variables) == expected


def test_the_variables_for_consul_are_shared():
    doctor = parse(DoctorOptions, [], SERVE, cli.all_variables)
    assert (str(doctor.consul), doctor.token) == ("http://consul:8500", "secret")


SIGNALS = {"reload", "upgrade", "stop"}
"""Commands for a pylb that is found by serve's own --pid-file."""


@every("name", sorted(cli.COMMANDS.keys() - SIGNALS - {cli.DEFAULT}))
def test_each_command_has_separate_variables(name):
    """An option of two commands has one variable only if it is declared once, for both."""
    serve = {option.variable: option for option in options(Options)}
    prefix = f"PYLB_{name.upper().replace('-', '_')}_"
    for option in options(cli.resolve_name(cli.COMMANDS[name].options)):
        if not option.variable.startswith(prefix):
            assert option.text == serve[option.variable].text


def test_an_unsimilar_word_has_no_suggestion():
    assert str(unknown("command", "xyzzy", ["serve"])) == "'xyzzy' is not a known command; see pylb --help"

"""Command lines of gliderlabs' registrator, as its documentation and compose files have them."""

import socket
from pathlib import Path

import pytest

from pylb import cli
from pylb.config.kinds import Url
from pylb.config.parse import parse
from pylb.errors import UsageError
from pylb.tools.gliderlabs import engine_socket
from pylb.tools.registrator import RegistratorOptions, spelled_out
from tests.every import every

CONSUL = Url("http", "consul", 8500)


def read(line, **environment):
    return parse(RegistratorOptions, spelled_out(line.split(" ")), environment)


@every(
    ("line", "expected"),
    [
        ("consul://consul:8500", {"consul": CONSUL}),
        ("-internal consul://consul:8500", {"internal": True, "consul": CONSUL}),
        ("-internal=true consul://consul:8500", {"internal": True}),
        ("--internal=T consul://consul:8500", {"internal": True}),
        ("-internal=false consul://consul:8500", {"internal": False}),
        ("-cleanup consul://consul:8500", {"cleanup": True}),
        ("-cleanup=0 consul://consul:8500", {"cleanup": False}),
        ("-explicit consul://consul:8500", {"explicit": True}),
        ("-require-label consul://consul:8500", {"require_label": True}),
        ("-ip 10.0.0.1 consul://consul:8500", {"ip": "10.0.0.1", "consul": CONSUL}),
        ("--ip=10.0.0.1 consul://consul:8500", {"ip": "10.0.0.1"}),
        ("-ip= consul://consul:8500", {"ip": None}),
        ("-resync 30 consul://consul:8500", {"resync": 30.0}),
        ("-resync=0 consul://consul:8500", {"resync": 30.0}),
        ("-deregister on-success consul://consul:8500", {"deregister": "on-success"}),
        ("-deregister=always consul://consul:8500", {"deregister": "always"}),
        ("-tags a,-b consul://consul:8500", {"tags": "a,-b"}),
        ("-tags -a consul://consul:8500", {"tags": "-a"}),
        ("-ttl 60 -ttl-refresh 30 consul://consul:8500", {"ttl": 60.0}),
        ("-useIpFromLabel addr consul://consul:8500", {"use_ip_from_label": "addr"}),
        ("-retry-attempts -1 -retry-interval=2000 consul://consul:8500", {"consul": CONSUL}),
        ("consul://consul", {"consul": CONSUL}),
        ("consul://consul:8500/", {"consul": CONSUL}),
        ("consul://", {"consul": Url("http", "127.0.0.1", 8500)}),
        ("consul:", {"consul": Url("http", "127.0.0.1", 8500)}),
        ("consul-tls://consul:8501", {"consul": Url("https", "consul", 8501)}),
        ("consul-unix:///run/consul.sock", {"consul": Url("unix", path="/run/consul.sock")}),
        ("--consul consul:8500 --internal", {"consul": CONSUL, "internal": True}),
        ("--no-cleanup --consul=consul --log-level debug", {"cleanup": False, "log_level": "debug"}),
    ],
)
def test_a_command_line_is_translated(line, expected):
    options = read(line)
    assert {name: getattr(options, name) for name in expected} == expected


def test_registrators_environment_variables_are_read(tmp_path):
    (tmp_path / "pem").touch()
    options = read(
        "consul-tls://consul:8501", CONSUL_TLSCERT=str(tmp_path / "pem"), CONSUL_TLSKEY=str(tmp_path / "pem")
    )
    assert options.consul_cert == options.consul_key == str(tmp_path / "pem")
    assert read("consul://", CONSUL_HTTP_ADDR="consul:8500").consul == CONSUL


@every(
    ("line", "words"),
    [
        ("-internal", None),
        ("-ip", "-ip: expected a value"),
        ("-internal=perhaps", "-internal: got 'perhaps', expected true or false"),
        ("-retry-attempts many", "-retry-attempts: got 'many', expected a number"),
        ("-resync soon", "--resync: got 'soon', expected a duration"),
        ("-deregister never", "--deregister: got 'never', expected one of always, on-success"),
        ("-intern", "'--intern' is not a known option; did you mean --internal"),
        ("etcd://etcd:2379/services", "got 'etcd://etcd:2379/services', expected consul://HOST:PORT: pylb"),
        ("consulkv-unix:///x", "pylb registrator writes to Consul alone"),
        ("consul:8500", "got 'consul:8500', expected an option such as --internal, or consul://HOST:PORT"),
        ("internal", "got 'internal', expected an option such as --internal, or consul://HOST:PORT"),
    ],
)
def test_mistakes(line, words):
    if words is None:
        assert read(line).consul == Url("http", "127.0.0.1", 8500)
        return
    with pytest.raises(UsageError, match=words.replace("?", r"\?")):
        read(line)


@pytest.mark.parametrize(
    ("flag", "words"), [("-help", "Registering"), ("-version", "pylb "), ("-h", "Registering")]
)
def test_help_and_version(flag, words, capsys):
    assert cli.main(["registrator", flag]) == 0
    assert words in capsys.readouterr().out


def test_the_socket_is_found_at_registrators_mount_point(tmp_path):
    usual, mounted = Url("unix", path=str(tmp_path / "usual.sock")), tmp_path / "mounted.sock"
    assert engine_socket(usual, mounted) == usual
    mounted.touch()
    assert engine_socket(usual, mounted) == usual  # no socket
    mounted.unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(mounted))
        owner = mounted.stat().st_uid
        assert engine_socket(usual, mounted) == (Url("unix", path=str(mounted)) if owner == 0 else usual)
    Path(usual.path).touch()
    assert engine_socket(usual, mounted) == usual
    assert engine_socket(Url("tcp", "engine", 2375), mounted) == Url("tcp", "engine", 2375)

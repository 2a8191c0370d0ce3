"""The declarations: names that other parts rely on, and what does not go together."""

import re
from pathlib import Path

import pytest

import pylb
from pylb.config import Address, Options, Url
from pylb.config.option import options
from pylb.errors import UsageError
from tests.every import every


def test_defaults():
    told_nothing = Options()
    assert told_nothing.listen == (Address("0.0.0.0", 8080),)
    assert told_nothing.admin == Address("127.0.0.1", 8081)
    assert (told_nothing.policy, told_nothing.access_log) == ("least-connections", "off")
    assert (told_nothing.connect_timeout, told_nothing.response_timeout) == (2.0, 60.0)


@every("declared", options(Options), ids=lambda o: o.name)
def test_every_help_text_is_one_to_three_short_sentences(declared):
    assert re.fullmatch(r"[A-Z].*\.", declared.text)
    assert len(declared.text) <= 200


DERIVED = {
    **dict.fromkeys(["consul", "consul_tls"], "consul_url"),
    **dict.fromkeys(["probe_http", "probe_tcp", "probe_grpc", "probe_grpc_service"], "probe"),
}
"""Options that are read through a property of their group."""


def test_every_option_has_an_effect():
    package = Path(pylb.__file__).parent
    texts = [path.read_text() for path in package.rglob("*.py") if path.parent.name != "config"]
    read = set(re.findall(r"(?:options|timeouts|limits|health)\.(\w+)\b", "\n".join(texts)))
    names = {each.name for each in options(Options)} - {"env_file"}  # It is read first: see test_envfile.
    assert {name for name in names if DERIVED.get(name, name) not in read} == set()


@every(
    ("given", "expected"),
    [
        ({}, "expected --consul HOST:PORT and --service NAME, or --static"),
        ({"service": ("web",)}, "expected --consul HOST:PORT and --service NAME, or --static"),
        ({"consul": Url("http", "c", 8500)}, "expected --service NAME"),
        ({"static": "a:1", "consul_cert": "/c"}, "--consul-cert: expected --consul-key with it"),
        ({"static": "a:1", "access_log_file": "/l"}, "--access-log-file: expected --access-log combined or"),
        (
            {"static": "a:1", "upstream_protocol": "h2", "upstream_proxy_protocol": "v2"},
            "--upstream-protocol h2: expected http1 with --upstream-proxy-protocol",
        ),
        ({"static": "a:1", "consul_key": "/k"}, "--consul-key: expected --consul-cert with it"),
    ],
)
def test_contradictory_options_are_rejected(given, expected):
    with pytest.raises(UsageError, match=expected):
        Options(**given).check()


def test_compatible_options_are_accepted():
    Options(static="127.0.0.1:80").check()
    Options(consul=Url("http", "c", 8500), service=("web",), consul_cert="/c", consul_key="/k").check()


def test_consul_over_tls_by_url_or_by_switch():
    assert Options().consul_url is None
    assert Options(consul=Url("https", "c", 443)).consul_url == Url("https", "c", 443)
    assert Options(consul=Url("http", "c", 8501)).consul_url == Url("http", "c", 8501)
    assert Options(consul=Url("http", "c", 8501), consul_tls=True).consul_url == Url("https", "c", 8501)
    assert Options(consul=Url("unix", path="/c"), consul_tls=True).consul_url == Url("unix", path="/c")

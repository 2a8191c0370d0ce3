"""Where a value may come from, which source wins, and the one line for each mistake."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.config import Address, Options, Url
from pylb.config.backends import POLICIES
from pylb.config.parse import parse
from pylb.errors import UsageError
from tests.every import every

ENOUGH = ["--static", "127.0.0.1:80"]


def read(*arguments, **environment):
    return parse(Options, [*ENOUGH, *arguments], environment)


def test_flags_with_space_and_with_equals():
    assert read("--connect-timeout", "500ms").connect_timeout == 0.5
    assert read("--connect-timeout=500ms").connect_timeout == 0.5
    assert read("--admin", "off").admin is None


def test_switches():
    assert read().include_warning is False
    assert read("--include-warning").include_warning is True
    assert read("--consul-tls", "--no-consul-verify").consul_verify is False


def test_the_last_value_is_used():
    assert read("--policy", "random", "--policy", "round-robin").policy == "round-robin"
    assert read("--include-warning", "--no-include-warning").include_warning is False


def test_a_repeatable_option_keeps_all_values_instead_of_its_default():
    assert read("--listen", "a:1", "--listen", "b:2").listen == (Address("a", 1), Address("b", 2))
    assert read("--service", "web", "--service=api=/api").service == ("web", "api=/api")


def test_the_environment():
    assert read(PYLB_CONNECT_TIMEOUT="3s").connect_timeout == 3.0
    assert read(PYLB_INCLUDE_WARNING="true").include_warning is True
    assert read(PYLB_LISTEN="a:1, b:2,").listen == (Address("a", 1), Address("b", 2))


def test_flags_take_precedence_over_variables():
    assert read("--token", "flag", PYLB_TOKEN="own", CONSUL_HTTP_TOKEN="other").token == "flag"
    assert read(PYLB_TOKEN="own", CONSUL_HTTP_TOKEN="other").token == "own"
    assert read(CONSUL_HTTP_TOKEN="other").token == "other"


def test_an_empty_variable_is_not_set():
    assert read(PYLB_TOKEN="", CONSUL_HTTP_TOKEN="other").token == "other"
    assert read(PYLB_POLICY="").policy == "least-connections"


def test_consuls_own_variables(tmp_path):
    file = str(tmp_path)
    options = read(
        CONSUL_HTTP_ADDR="https://consul:8501",
        CONSUL_HTTP_TOKEN_FILE="/token",
        CONSUL_HTTP_AUTH="user:password",
        CONSUL_HTTP_SSL="true",
        CONSUL_HTTP_SSL_VERIFY="false",
        CONSUL_CAPATH=file,
        CONSUL_CLIENT_CERT=file,
        CONSUL_CLIENT_KEY=file,
        CONSUL_TLS_SERVER_NAME="server.dc1.consul",
        CONSUL_NAMESPACE="team",
        CONSUL_PARTITION="part",
    )
    assert options.consul == Url("https", "consul", 8501)
    assert (options.token_file, options.consul_auth) == ("/token", "user:password")
    assert (options.consul_tls, options.consul_verify) == (True, False)
    assert (options.consul_ca, options.consul_cert, options.consul_key) == (file, file, file)
    assert options.consul_tls_server_name == "server.dc1.consul"
    assert (options.namespace, options.partition) == ("team", "part")
    assert read(CONSUL_CACERT=file, CONSUL_CAPATH="").consul_ca == file


EXPECTED_POLICIES = f"one of {', '.join(POLICIES)}"


@every(
    ("arguments", "environment", "line"),
    [
        (["--policy", "foo"], {}, f"--policy: got 'foo', expected {EXPECTED_POLICIES}"),
        ([], {"PYLB_POLICY": "foo"}, f"PYLB_POLICY: got 'foo', expected {EXPECTED_POLICIES}"),
        (
            [],
            {"CONSUL_HTTP_ADDR": "x:y"},
            "CONSUL_HTTP_ADDR: got 'x:y', expected host:port, http://host:port, https://host:port or unix:///path",
        ),
        (["--policy"], {}, f"--policy: expected {EXPECTED_POLICIES}"),
        (["--policy", "--include-warning"], {}, f"--policy: expected {EXPECTED_POLICIES}"),
        (["--policy", ""], {}, f"--policy: got '', expected {EXPECTED_POLICIES}"),
        (["--polcy", "random"], {}, "'--polcy' is not a known option; did you mean --policy?"),
        (["--polcy=random"], {}, "'--polcy' is not a known option; did you mean --policy?"),
        (["--pol", "random"], {}, "'--pol' is not a known option; did you mean --policy?"),
        (["-x"], {}, "'-x' is not a known option; see pylb --help"),
        (
            ["--no-consul-verfy"],
            {},
            "'--no-consul-verfy' is not a known option; did you mean --no-consul-verify?",
        ),
        (["--include-warning=yes"], {}, "--include-warning: expected no value"),
        (["web"], {}, "got 'web', expected an option such as --service"),
        (["a\nb"], {}, "got 'a\\nb', expected an option such as --service"),
        (["--x\ny"], {}, "'--x\\ny' is not a known option; see pylb --help"),
    ],
)
def test_mistakes(arguments, environment, line):
    with pytest.raises(UsageError) as caught:
        read(*arguments, **environment)
    assert str(caught.value) == line


def test_the_combination_is_checked():
    with pytest.raises(UsageError, match="expected --consul"):
        parse(Options, [], {})


@given(
    st.lists(
        st.text()
        | st.sampled_from(["--static", "a:1", "--policy", "--listen", "--", "-", "--include-warning"])
    )
)
def test_any_input_is_parsed_or_rejected_in_one_line(arguments):
    message = ""
    try:
        parse(Options, arguments, {})
    except UsageError as error:
        message = str(error)
    assert len(message.splitlines()) <= 1


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("web,api=/api", ("web", "api=/api")),
        ("web, ,", ("web",)),
        ("web,'api=/api allow=::1,::2',x", ("web", "api=/api allow=::1,::2", "x")),
        ('web set:X-A="a,b" add:X-B=c,x', ('web set:X-A="a,b" add:X-B=c', "x")),
        ("it's,x", ("it's", "x")),
    ],
)
def test_commas_inside_quotes_do_not_separate_values(text, values):
    assert parse(Options, [], {"PYLB_STATIC": "a:1", "PYLB_SERVICE": text}).service == values

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.config import Options
from pylb.config.option import options
from pylb.config.settings import (
    OF_POOL,
    OF_REQUESTS,
    SETTABLE,
    comparable,
    denial_reason,
    of_pool,
    same_value,
    unknown_reason,
    with_settings,
)

BASE = Options(static="10.0.0.1:80")
ALL = {each.flag[2:]: each for each in options(Options)}


def test_without_settings_a_service_has_the_options_of_pylb():
    assert with_settings(BASE, ()) is BASE


def test_settings_take_the_place_of_options():
    made = with_settings(BASE, (("response-timeout", "5s"), ("policy", "random"), ("max-body", "10MiB")))
    assert (made.response_timeout, made.policy, made.max_body) == (5.0, "random", 10 << 20)
    assert made.static == BASE.static
    assert with_settings(BASE, (("response-timeout", "5s"),)) is with_settings(
        BASE, (("response-timeout", "5s"),)
    )


@pytest.mark.parametrize("alias", [("maxconn", "max_conn", "5", 5), ("slowstart", "slow_start", "3s", 3.0)])
def test_older_names_are_accepted(alias):
    given, name, text, value = alias
    assert getattr(with_settings(BASE, ((given, text),)), name) == value


def test_every_option_of_services_is_accepted_with_its_default():
    for name in OF_POOL | OF_REQUESTS:
        default = ALL[name].default
        if default is not None:
            assert with_settings(BASE, ((name, default),)) == BASE, name


def test_every_other_option_is_refused_with_the_reason():
    for name in ALL.keys() - OF_POOL - OF_REQUESTS:
        with pytest.raises(
            ValueError, match=f"^{name} is an option of pylb as a whole, expected one of a service"
        ):
            with_settings(BASE, ((name, "1"),))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ([("policy", "x")], "policy: got 'x', expected one of least-connections, round-robin"),
        ([("response-timeout", "")], "response-timeout: got '', expected a duration"),
        ([("colour", "red")], "'colour' is no option of a service, expected one such as response-timeout"),
        ([("probe-http", "/"), ("probe-tcp", "on")], "--probe-tcp: expected either this or --probe-http"),
        ([("probe-grpc", "on"), ("probe-tcp", "on")], "--probe-tcp: expected either this or --probe-grpc"),
        ([("probe-grpc-service", "a.B")], "--probe-grpc-service: expected --probe-grpc with it"),
        (
            [("probe-grpc-service", "a b")],
            "probe-grpc-service: got 'a b', expected the name",
        ),
    ],
)
def test_an_error_is_one_line(settings, message):
    with pytest.raises(ValueError, match="^" + message.replace("(", "\\(")) as raised:
        with_settings(BASE, tuple(settings))
    assert "\n" not in str(raised.value)


def test_the_options_of_the_pool_hold_for_the_whole_service():
    assert of_pool("policy")
    assert of_pool("maxconn")
    assert not of_pool("response-timeout")


def test_an_instance_names_no_file():
    files = {"upstream-tls-ca", "upstream-tls-cert", "upstream-tls-key"}
    assert {name for name in OF_POOL | OF_REQUESTS if "file" in denial_reason(name, "1h")} == files


@pytest.mark.parametrize(
    ("name", "value", "refused"),
    [
        ("probe-interval", "999ms", "probe-interval: got '999ms', expected at least 1s from an instance"),
        ("probe-interval", "1s", ""),
        ("probe-interval", "soon", ""),
        ("probe-timeout", "99ms", "probe-timeout: got '99ms', expected at least 100ms from an instance"),
        ("probe-timeout", "0.1", ""),
        ("response-timeout", "1ms", ""),
    ],
)
def test_an_instance_does_not_make_probes_too_frequent(name, value, refused):
    assert denial_reason(name, value) == refused


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_text_makes_another_error(name, value):
    problem = ""
    try:
        with_settings(BASE, ((name, value),))
    except ValueError as error:
        problem = str(error)
    assert "\n" not in problem


def test_a_name_is_unknown_for_a_reason():
    assert unknown_reason("response-timeout") == unknown_reason("maxconn") == ""
    assert "no option of a service" in unknown_reason("auth")
    assert "pylb as a whole" in unknown_reason("listen")


@pytest.mark.parametrize(
    ("name", "one", "other", "same"),
    [
        ("response-timeout", "1s", "1000ms", True),
        ("response-timeout", "1s", "1001ms", False),
        ("max-body", "1MiB", "1024KiB", True),
        ("upstream-tls", "on", "true", True),
        ("policy", "x", "x", True),
        ("policy", "x", "y", False),
        ("colour", "red", "blue", False),
    ],
)
def test_settings_are_compared_by_value(name, one, other, same):
    assert same_value(name, one, other) is same


def test_settings_of_older_names_are_comparable():
    assert comparable(("maxconn", "5")) == comparable(("max-conn", "05"))
    for option in SETTABLE:
        hash(comparable((option.flag[2:], option.default or "/x")))

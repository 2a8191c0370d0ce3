import logging

import pytest

from pylb.registry.failures import Failures


@pytest.fixture
def failures(caplog):
    caplog.set_level(logging.INFO)
    return Failures(logging.getLogger("test"))


def test_lasting_failures_are_logged_once_each(failures, caplog):
    for port in range(5):
        failures.replace({"a": f"a is refused by :{port}", "b": "b is refused"})
    assert [r.getMessage() for r in caplog.records] == [
        "a is refused by :0; retrying",
        "b is refused; retrying",
    ]
    assert str(failures) == "a is refused by :4; b is refused"


def test_a_changed_reason_and_the_recovery_are_logged(failures, caplog):
    failures.replace({"a": "a is refused"})
    failures.replace({"a": "a is not answered"})
    failures.replace({})
    failures.replace({})
    assert [r.getMessage() for r in caplog.records] == [
        "a is refused; retrying",
        "a is not answered; retrying",
        "engine and registry are synchronized again",
    ]
    assert str(failures) == ""

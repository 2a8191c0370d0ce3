import logging

import pytest

from pylb.registry.failures import Failures


@pytest.fixture
def failures(caplog):
    caplog.set_level(logging.INFO)
    return Failures(logging.getLogger("test"))


def test_several_that_last_are_logged_once_each(failures, caplog):
    for port in range(5):
        failures.replace({"a": f"a is refused by :{port}", "b": "b is refused"})
    assert [r.getMessage() for r in caplog.records] == [
        "a is refused by :0; retrying",
        "b is refused; retrying",
    ]
    assert str(failures) == "a is refused by :4; b is refused"


def test_another_reason_is_news_and_so_is_the_end(failures, caplog):
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

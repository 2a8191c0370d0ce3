import logging

import pytest

from pylb.registry.troubles import Troubles


@pytest.fixture
def troubles(caplog):
    caplog.set_level(logging.INFO)
    return Troubles(logging.getLogger("test"))


def test_several_that_last_are_logged_once_each(troubles, caplog):
    for port in range(5):
        troubles.replace({"a": f"a is refused by :{port}", "b": "b is refused"})
    assert [r.getMessage() for r in caplog.records] == [
        "a is refused by :0; retrying",
        "b is refused; retrying",
    ]
    assert str(troubles) == "a is refused by :4; b is refused"


def test_another_reason_is_news_and_so_is_the_end(troubles, caplog):
    troubles.replace({"a": "a is refused"})
    troubles.replace({"a": "a is not answered"})
    troubles.replace({})
    troubles.replace({})
    assert [r.getMessage() for r in caplog.records] == [
        "a is refused; retrying",
        "a is not answered; retrying",
        "engine and registry are synchronized again",
    ]
    assert str(troubles) == ""

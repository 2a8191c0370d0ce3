import logging

import pytest

from pylb.policy.overrides import Action
from pylb.process.operator import Operator
from tests.until import until


@pytest.fixture
def heard():
    return []


@pytest.fixture
def operator(heard):
    operator = Operator(lambda service, cause: heard.append((service, cause)))
    yield operator
    operator.close()


def test_a_decision_is_announced_logged_with_who_and_revocable(operator, heard, caplog):
    with caplog.at_level(logging.WARNING, "pylb.audit"):
        made = operator.decide("web", Action.DRAIN, backend="web-1", reason="deploy", who="10.0.0.9")
        assert operator.overrides == {made.id: made}
        assert operator.revoke(made.id, who="10.0.0.9") is made
    assert operator.overrides == {}
    assert heard == [("web", "operator: drain web-1 (deploy)"), ("web", "operator: end of drain web-1")]
    assert [r.getMessage() for r in caplog.records] == [
        "web: operator: drain web-1 (deploy) [10.0.0.9]",
        "web: operator: end of drain web-1 [10.0.0.9]",
    ]


def test_what_is_not_there_cannot_be_revoked(operator, heard):
    assert operator.revoke(7) is None
    assert heard == []


def test_the_newest_word_on_a_matter_counts(operator):
    operator.decide("web", Action.WEIGHT, backend="web-1", weight=1)
    operator.decide("web", Action.WEIGHT, backend="web-2", weight=2)
    operator.decide("web", Action.WEIGHT, backend="web-1", weight=3)
    assert {(o.backend, o.weight) for o in operator.overrides.values()} == {("web-1", 3), ("web-2", 2)}


async def test_it_ends_when_its_time_is_over(operator, heard):
    operator.decide("web", Action.MAINTENANCE, seconds=0.01)
    operator.decide("web", Action.DRAIN, backend="web-1")
    await until(lambda: len(operator.overrides) == 1)
    assert heard[-1] == ("web", "operator: end of maintenance web")


async def test_a_decision_that_was_replaced_does_not_take_its_successor_with_it(operator):
    operator.decide("web", Action.DRAIN, backend="web-1", seconds=0.01)
    kept = operator.decide("web", Action.DRAIN, backend="web-1")
    operator.decide("web", Action.MAINTENANCE, seconds=0.02)
    await until(lambda: len(operator.overrides) == 1)
    assert operator.overrides == {kept.id: kept}

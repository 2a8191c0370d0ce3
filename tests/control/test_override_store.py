import logging

import pytest

from pylb.control.override_store import OverrideStore
from pylb.policy.overrides import Action
from tests.until import until


@pytest.fixture
def heard():
    return []


@pytest.fixture
def override_store(heard):
    override_store = OverrideStore(lambda service, cause: heard.append((service, cause)))
    yield override_store
    override_store.close()


def test_an_override_is_announced_logged_with_its_client_and_revocable(override_store, heard, caplog):
    with caplog.at_level(logging.WARNING, "pylb.audit"):
        made = override_store.decide("web", Action.DRAIN, backend="web-1", reason="deploy", client="10.0.0.9")
        assert override_store.overrides == {made.id: made}
        assert override_store.revoke(made.id, client="10.0.0.9") is made
    assert override_store.overrides == {}
    assert heard == [("web", "operator: drain web-1 (deploy)"), ("web", "operator: end of drain web-1")]
    assert [r.getMessage() for r in caplog.records] == [
        "web: operator: drain web-1 (deploy) [10.0.0.9]",
        "web: operator: end of drain web-1 [10.0.0.9]",
    ]


def test_an_unknown_override_cannot_be_revoked(override_store, heard):
    assert override_store.revoke(7) is None
    assert heard == []


def test_the_newest_override_of_a_kind_applies(override_store):
    override_store.decide("web", Action.WEIGHT, backend="web-1", weight=1)
    override_store.decide("web", Action.WEIGHT, backend="web-2", weight=2)
    override_store.decide("web", Action.WEIGHT, backend="web-1", weight=3)
    assert {(o.backend, o.weight) for o in override_store.overrides.values()} == {("web-1", 3), ("web-2", 2)}


async def test_an_override_expires(override_store, heard):
    override_store.decide("web", Action.MAINTENANCE, seconds=0.01)
    override_store.decide("web", Action.DRAIN, backend="web-1")
    await until(lambda: len(override_store.overrides) == 1)
    assert heard[-1] == ("web", "operator: end of maintenance web")


async def test_the_expiry_of_a_replaced_override_does_not_affect_its_successor(override_store):
    override_store.decide("web", Action.DRAIN, backend="web-1", seconds=0.01)
    kept = override_store.decide("web", Action.DRAIN, backend="web-1")
    override_store.decide("web", Action.MAINTENANCE, seconds=0.02)
    await until(lambda: len(override_store.overrides) == 1)
    assert override_store.overrides == {kept.id: kept}

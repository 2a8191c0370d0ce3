"""Facts about instances: identity, equality, and the way through a channel and back."""

from dataclasses import replace

import orjson
import pytest

from pylb.model import Endpoint, Excluded, Snapshot

WEB_1 = Endpoint("web", "10.0.0.1", 80, dc="dc1", node="n1", id="web-1")
SNAPSHOT = Snapshot("web", (WEB_1,), (Excluded(replace(WEB_1, id="web-2"), "maintenance"),), generation=3)


@pytest.mark.parametrize("change", [{"address": "10.0.0.9"}, {"port": 81}, {"weight": 5}, {"tags": ("a",)}])
def test_identity_is_the_registrys_and_survives_any_change(change):
    changed = replace(WEB_1, **change)
    assert changed.key == WEB_1.key == ("dc1", "n1", "web-1")
    assert changed != WEB_1


@pytest.mark.parametrize(
    ("address", "authority"), [("10.0.0.1", "10.0.0.1:80"), ("::1", "[::1]:80"), ("web.test", "web.test:80")]
)
def test_authority(address, authority):
    assert replace(WEB_1, address=address).authority == authority


def test_when_and_why_are_not_content():
    told_again = replace(
        SNAPSHOT, generation=9, observed=1.0, cause="again", untrusted_reason="filtered by ACLs"
    )
    assert told_again.same_content(SNAPSHOT)


def test_the_output_of_a_check_is_not_content_but_the_excluded_instance_is():
    reworded = replace(SNAPSHOT, excluded=(replace(SNAPSHOT.excluded[0], reason="maintenance: until noon"),))
    assert reworded.same_content(SNAPSHOT)
    assert not replace(SNAPSHOT, excluded=()).same_content(SNAPSHOT)


@pytest.mark.parametrize(
    "change", [{"service": "api"}, {"endpoints": ()}, {"endpoints": (replace(WEB_1, weight=2),)}]
)
def test_content(change):
    assert not replace(SNAPSHOT, **change).same_content(SNAPSHOT)


def test_nothing_known_is_not_the_same_as_known_to_be_empty():
    assert not Snapshot("web", ()).same_content(None)


def test_a_snapshot_survives_the_way_through_a_channel():
    full = replace(
        WEB_1, tags=("a", "b"), meta=(("k", "v"),), weight=2, status="warning", created=7, checked=False
    )
    full = replace(full, trusted=True)
    out = replace(SNAPSHOT.excluded[0], abandoned=True)
    sent = replace(
        SNAPSHOT,
        endpoints=(full,),
        excluded=(out,),
        observed=1.5,
        cause="index 4",
        untrusted_reason="no leader",
        policy="random",
    )
    assert Snapshot.from_dict(orjson.loads(orjson.dumps(sent))) == sent

"""Facts about instances: identity, equality, and the way through a channel and back."""

from dataclasses import replace

import orjson
import pytest

from pylb.model import PLAIN, Endpoint, Excluded, Overlay, PoolState, ProbeVerdict, Snapshot

WEB_1 = Endpoint("web", "10.0.0.1", 80, dc="dc1", node="n1", id="web-1")
SNAPSHOT = Snapshot("web", (WEB_1,), (Excluded(replace(WEB_1, id="web-2"), "maintenance"),))


@pytest.mark.parametrize("change", [{"address": "10.0.0.9"}, {"port": 81}, {"weight": 5}, {"tags": ("a",)}])
def test_the_identity_comes_from_the_registry_and_does_not_change(change):
    changed = replace(WEB_1, **change)
    assert changed.key == WEB_1.key == ("dc1", "n1", "web-1")
    assert changed != WEB_1


@pytest.mark.parametrize(
    ("address", "authority"), [("10.0.0.1", "10.0.0.1:80"), ("::1", "[::1]:80"), ("web.test", "web.test:80")]
)
def test_authority(address, authority):
    assert replace(WEB_1, address=address).authority == authority


def test_time_and_cause_are_not_content():
    told_again = replace(SNAPSHOT, observed=1.0, cause="again", untrusted_reason="filtered by ACLs")
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


def test_no_snapshot_differs_from_an_empty_snapshot():
    assert not Snapshot("web", ()).same_content(None)


FULL = replace(
    WEB_1, tags=("a", "b"), meta=(("k", "v"),), weight=2, status="warning", created=7, has_checks=False
)


def test_a_snapshot_is_read_from_a_file_unchanged():
    kept = replace(SNAPSHOT, endpoints=(FULL,), observed=1.5, cause="index 4", untrusted_reason="no leader")
    assert Snapshot.from_dict(orjson.loads(orjson.dumps(kept))) == kept


def test_a_pool_state_is_received_unchanged():
    verdict = ProbeVerdict(well=False, number=3, why="GET /: 503")
    sent = PoolState(
        "web",
        (FULL, WEB_1),
        SNAPSHOT.excluded,
        generation=3,
        policy="random",
        overlays=((WEB_1.key, Overlay("/", verdict, weight=0, restored=True)), (FULL.key, Overlay("tcp"))),
        aborted=(SNAPSHOT.excluded[0].endpoint.key,),
    )
    assert PoolState.from_dict(orjson.loads(orjson.dumps(sent))) == sent


def test_an_instance_without_an_overlay_is_plain():
    state = PoolState("web", (WEB_1, replace(WEB_1, id="web-2")), overlays=((WEB_1.key, Overlay(weight=3)),))
    assert [overlay for _, overlay in state.instances()] == [Overlay(weight=3), PLAIN]


def test_failed_probes_count_unless_an_operator_has_restored_the_instance():
    failed = Overlay("/", ProbeVerdict(well=False, number=1))
    assert failed.failed
    assert not replace(failed, restored=True).failed
    assert not PLAIN.failed

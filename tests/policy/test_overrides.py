from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.model import Endpoint, Excluded, Overlay, PoolState, ProbeVerdict, Snapshot
from pylb.policy.overrides import ALL_OF_PYLB, Action, Override, pool_state

ENDPOINTS = tuple(Endpoint("web", f"10.0.0.{n}", 80, id=f"web-{n}", weight=n) for n in (1, 2, 3))
SNAPSHOT = Snapshot("web", ENDPOINTS, untrusted_reason="filtered by ACLs")
STATE = PoolState("web", ENDPOINTS, untrusted_reason="filtered by ACLs")
"""The state of the pool without overrides and probes."""


def apply_overrides(snapshot, overrides):
    return pool_state(snapshot, {}, overrides)


def overlays(state):
    return {key[-1]: overlay for key, overlay in state.overlays}


def names(snapshot):
    return [e.id for e in snapshot.endpoints]


def test_without_overrides_a_snapshot_is_unchanged():
    assert apply_overrides(SNAPSHOT, [Override(1, "api", Action.MAINTENANCE)]) == STATE


@pytest.mark.parametrize("backend", ["web-2", "10.0.0.2:80"])
def test_a_drained_instance_is_excluded_with_a_reason(backend):
    drained = apply_overrides(SNAPSHOT, [Override(1, "web", Action.DRAIN, backend, reason="new kernel")])
    assert names(drained) == ["web-1", "web-3"]
    assert drained.excluded == (Excluded(ENDPOINTS[1], f"operator: drain {backend} (new kernel)"),)


def test_a_weight_override_replaces_only_the_weight():
    weighed = apply_overrides(SNAPSHOT, [Override(1, "web", Action.WEIGHT, "web-3", weight=0)])
    assert weighed.endpoints == ENDPOINTS
    assert overlays(weighed) == {"web-3": Overlay(weight=0)}


def test_an_override_is_laid_over_a_verdict_and_keeps_it():
    failed = Overlay("/health", ProbeVerdict(well=False, number=1))
    probed = {ENDPOINTS[0].key: failed}
    restored = pool_state(SNAPSHOT, probed, [Override(1, "web", Action.RESTORE, "web-1")])
    assert overlays(restored) == {"web-1": replace(failed, restored=True)}
    assert failed.failed
    assert not overlays(restored)["web-1"].failed


def test_a_state_has_the_number_cause_and_time_of_its_change():
    state = pool_state(SNAPSHOT, {}, [], generation=7, cause="consul index 3: +web-3", observed=5.0)
    assert state == replace(STATE, generation=7, cause="consul index 3: +web-3", observed=5.0)


def test_maintenance_excludes_all_instances_regardless_of_other_overrides():
    decisions = [
        Override(1, "web", Action.WEIGHT, "web-1", weight=9),
        Override(2, "web", Action.MAINTENANCE),
    ]
    shut = apply_overrides(SNAPSHOT, decisions)
    assert shut.endpoints == ()
    assert {x.reason for x in shut.excluded} == {"operator: maintenance web"}


def test_requests_of_ejected_instances_are_aborted_and_of_drained_ones_are_not():
    out = apply_overrides(
        SNAPSHOT, [Override(n, "web", a, f"web-{n}") for n, a in ((1, Action.EJECT), (2, Action.DRAIN))]
    )
    assert [x.endpoint.id for x in out.excluded] == ["web-1", "web-2"]
    assert out.aborted == (ENDPOINTS[0].key,)
    both = [Override(n, "web", a, "web-1") for n, a in ((1, Action.DRAIN), (2, Action.EJECT))]
    state = apply_overrides(SNAPSHOT, both)
    assert state.aborted == (ENDPOINTS[0].key,)
    assert state.excluded[0].reason == "operator: eject web-1"


def test_a_restored_instance_is_trusted_and_restore_replaces_eject():
    restored, ejected = (Override(n, "web", a, "web-2") for n, a in ((1, Action.RESTORE), (2, Action.EJECT)))
    assert overlays(apply_overrides(SNAPSHOT, [restored])) == {"web-2": Overlay(restored=True)}
    assert restored.replaces(ejected)
    assert ejected.replaces(restored)


def test_a_policy_override_applies_to_the_whole_service():
    decided = Override(1, "web", Action.POLICY, policy="random")
    assert apply_overrides(SNAPSHOT, [decided]) == replace(STATE, policy="random")
    assert str(decided) == "policy random for web"


def test_a_global_override_changes_no_service():
    louder = Override(1, ALL_OF_PYLB, Action.LOG_LEVEL, level="debug")
    assert apply_overrides(SNAPSHOT, [louder]) == STATE
    assert str(louder) == "log level debug for pylb"


def test_a_newer_override_replaces_only_one_of_the_same_kind():
    drain, again = (Override(n, "web", Action.DRAIN, "web-1", reason=str(n)) for n in (1, 2))
    assert again.replaces(drain)
    assert not Override(3, "web", Action.WEIGHT, "web-1").replaces(drain)
    assert not Override(3, "web", Action.DRAIN, "web-2").replaces(drain)
    assert not Override(3, "api", Action.DRAIN, "web-1").replaces(drain)


decisions = st.builds(
    Override,
    st.integers(1, 99),
    st.sampled_from(["web", "api"]),
    st.sampled_from(Action),
    st.sampled_from(["", "web-1", "10.0.0.2:80", "nobody"]),
    st.integers(0, 9),
)


@given(st.lists(decisions))
def test_overrides_keep_the_set_of_instances(overrides):
    after = apply_overrides(SNAPSHOT, overrides)
    known = [*(e.key for e in after.endpoints), *(x.endpoint.key for x in after.excluded)]
    assert sorted(known) == sorted(e.key for e in ENDPOINTS)


def test_instances_of_other_zones_are_marked_if_pylb_has_a_zone():
    here, elsewhere, unknown = (
        replace(e, zone=zone) for e, zone in zip(ENDPOINTS, ("a", "b", ""), strict=True)
    )
    snapshot = Snapshot("web", (here, elsewhere, unknown))
    state = pool_state(snapshot, {here.key: Overlay(probe="tcp")}, (), zone="a")
    assert [overlay.other_zone for _, overlay in state.instances()] == [False, True, True]
    assert pool_state(snapshot, {}, ()).overlays == ()

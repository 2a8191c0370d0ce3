from hypothesis import given
from hypothesis import strategies as st

from pylb.registry.place import Rules
from pylb.registry.reconcile import Actions, Owned, owned, reconcile, without_others
from pylb.registry.registrations import CONTAINER, DIGEST, OWNER, Desired, desired
from tests.containers.inspected import container

RULES = Rules(owner="engine", hostname="host", internal=True)

names = st.sampled_from(["web-1", "web-2", "web-3", "dns"])
environments = st.dictionaries(
    st.sampled_from(["SERVICE_NAME", "SERVICE_TAGS", "SERVICE_ID", "SERVICE_CHECK_TCP", "SERVICE_IGNORE"]),
    st.sampled_from(["", "x", "a,b"]),
)
containers = st.builds(
    lambda name, env, exposed, running, code, health: container(
        name, env=env, exposed=exposed, running=running, exit_code=code, health=health
    ),
    names,
    environments,
    st.lists(st.sampled_from(["80/tcp", "53/udp", "81/tcp"]), unique=True),
    st.booleans(),
    st.sampled_from([0, 1, 143]),
    st.sampled_from([None, "healthy", "unhealthy"]),
)
machines = st.lists(containers, max_size=4, unique_by=lambda c: c.name)
rules = st.builds(
    lambda keep: Rules(owner="engine", hostname="host", internal=True, keep_failed=keep), st.booleans()
)


def agent_after(services, actions):
    """An agent's services once these actions are done."""
    services = dict(services)
    for each in actions.register:
        services[each.id] = {"Meta": each.definition["Meta"], "Checks": each.checks}
    for each in actions.deregister:
        del services[each]
    return services


def checks_of(services):
    """The checks that come with the services, and one of the node."""
    found = {check: {"ServiceID": key} for key, each in services.items() for check in each.get("Checks", ())}
    return {"serfHealth": {"ServiceID": ""}, **found}


FOREIGN = {
    "by-hand": {"Meta": {}},
    "other": {"Meta": {OWNER: "elsewhere", DIGEST: "x"}},
    "bare": {"Meta": None},
}


@given(machines, machines, rules)
def test_one_step_from_any_state_to_the_desired_one_and_none_after_it(before, after, how):
    services = agent_after(FOREIGN, reconcile(desired(before, how), {}))
    wanted = desired(after, how)
    done = agent_after(services, reconcile(wanted, owned(services, checks_of(services), "engine")))
    mine = owned(done, checks_of(done), "engine")
    assert {i: o.digest for i, o in mine.items() if i in wanted.registrations} == {
        i: r.digest for i, r in wanted.registrations.items()
    }
    assert {o.container for i, o in mine.items() if i not in wanted.registrations} <= wanted.kept
    assert not reconcile(wanted, mine)


@given(machines, machines)
def test_entries_of_other_programs_are_never_changed(before, after):
    services = agent_after(FOREIGN, reconcile(desired(before, RULES), {}))
    done = agent_after(
        services, reconcile(desired(after, RULES), owned(services, checks_of(services), "engine"))
    )
    assert {i: s for i, s in done.items() if i in FOREIGN} == FOREIGN


@given(machines, machines)
def test_without_cleanup_nothing_is_removed(before, after):
    services = agent_after({}, reconcile(desired(before, RULES), {}))
    actions = reconcile(desired(after, RULES), owned(services, checks_of(services), "engine"), cleanup=False)
    assert actions.deregister == ()


@given(machines)
def test_a_new_registrator_finds_no_differences(running):
    services = agent_after({}, reconcile(desired(running, RULES), {}))
    assert reconcile(desired(running, RULES), owned(services, checks_of(services), "engine")) == Actions()


@given(machines)
def test_an_emptied_registry_is_filled_again(running):
    wanted = desired(running, RULES)
    assert reconcile(wanted, {}).register == tuple(wanted.registrations.values())


def test_a_changed_entry_is_registered_again():
    wanted = desired([container()], RULES)
    (service_id,) = wanted.registrations
    assert reconcile(wanted, {service_id: Owned("x", "changed")}).register


def test_owned_entries_are_found_by_their_mark():
    services = {"a": {"Meta": {OWNER: "engine", CONTAINER: "c", DIGEST: "d"}}, **FOREIGN}
    assert owned(services, checks_of(services), "engine") == {"a": Owned("c", "d")}


def test_an_entry_without_its_check_is_registered_again():
    wanted = desired([container(env={"SERVICE_CHECK_TCP": "1"}, health="healthy")], RULES)
    ((service_id, registration),) = wanted.registrations.items()
    checks = frozenset({f"service:{service_id}", f"docker:{service_id}"})
    assert not reconcile(wanted, {service_id: Owned("x", registration.digest, checks | {"another"})})
    for lost in checks:
        present = {service_id: Owned("x", registration.digest, checks - {lost})}
        assert reconcile(wanted, present).register == (registration,)


def test_entries_of_failed_containers_are_kept_if_configured():
    assert reconcile(Desired({}, frozenset({"c"})), {"a": Owned("c", "d")}) == Actions()


def test_an_entry_of_another_program_for_another_service_is_never_replaced():
    wanted = desired([container("evil", env={"SERVICE_ID": "victim", "SERVICE_NAME": "web"})], RULES)
    mine, theirs = {"Meta": {OWNER: "engine"}}, {"Meta": {OWNER: "elsewhere"}}
    for retained in ({"Service": "bank"}, {"Service": "bank", **theirs}):
        found = without_others(wanted, {"victim": retained}, "engine")
        assert found.registrations == {}
        assert found.problems[0].endswith("another program registered the id 'victim' for 'bank'")
    for retained in ({"Service": "bank", **mine}, {"Service": "web"}, {"Service": "web", **theirs}):
        assert without_others(wanted, {"victim": retained}, "engine") == wanted
    assert without_others(wanted, {}, "engine") == wanted

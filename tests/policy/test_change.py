from pylb.policy.change import Change
from tests.policy.backends import backends


def test_a_change_is_false_if_it_changes_nothing():
    assert not Change()
    assert all(Change(**{field: tuple(backends(1))}) for field in ("added", "updated", "removed"))


def test_a_change_is_formatted_with_a_sign_per_backend():
    one, two, three = backends(1, 1, 1)
    assert str(Change((one,), (two,), (three,))) == "+web-1 ~web-2 -web-3"

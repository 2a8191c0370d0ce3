"""A declaration is a field: default, names and place in the help follow from it."""

from dataclasses import dataclass, fields

from pylb.config.kinds import DURATION, FLAG, SIZE
from pylb.config.option import Group, groups, in_force, option, options, repeated


@dataclass(frozen=True, kw_only=True)
class Kitchen(Group):
    title = "Kitchen"
    boil_time: float = option(DURATION, "3m", "How long to boil.")
    lid: bool = option(FLAG, "on", "Whether to cover it.")


@dataclass(frozen=True, kw_only=True)
class Cellar(Group):
    title = "Cellar"
    barrel: tuple[int, ...] = repeated(SIZE, "2k", "What to fill.")
    key: str | None = option(DURATION, None, "What opens it.", secret=True, fallbacks=("HOUSE_KEY",))


@dataclass(frozen=True, kw_only=True)
class House(Kitchen, Cellar):
    title = "House"
    boil_time: float = option(DURATION, "5m", "How long to boil, in this house.")


def by_name(command):
    return {o.name: o for o in options(command)}


def test_defaults_are_values_of_the_kind():
    house = House()
    assert (house.boil_time, house.lid, house.barrel, house.key) == (300.0, True, (2048,), None)


def test_names():
    boil_time, lid = options(Kitchen)
    assert (boil_time.flag, boil_time.opposite, boil_time.variable) == ("--boil-time", "", "PYLB_BOIL_TIME")
    assert (lid.flag, lid.opposite) == ("--lid", "--no-lid")


def test_the_declaration_of_an_option_is_stored():
    key = by_name(House)["key"]
    assert (key.kind, key.default, key.text) == (DURATION, None, "What opens it.")
    assert (key.fallbacks, key.repeatable) == (("HOUSE_KEY",), False)
    assert by_name(House)["barrel"].repeatable


def test_groups_have_the_order_of_the_bases_and_each_option_once():
    listed = [(title, [o.name for o in members]) for title, members in groups(House)]
    assert listed == [("House", ["boil_time"]), ("Kitchen", ["lid"]), ("Cellar", ["barrel", "key"])]
    assert by_name(House)["boil_time"].default == "5m"
    assert len(options(House)) == len(fields(House))


def test_a_secret_is_not_shown():
    assert "hunter2" not in repr(House(key="hunter2"))
    assert "boil_time" in repr(House())


def test_options_in_force_are_shown_without_secrets():
    assert in_force(Cellar(key="s3cret", barrel=(1, 2))) == {"--barrel": "1, 2", "--key": "(secret)"}
    assert in_force(Cellar(barrel=())) == {"--barrel": "", "--key": ""}
    assert in_force(Kitchen()) == {"--boil-time": "180.0", "--lid": "True"}

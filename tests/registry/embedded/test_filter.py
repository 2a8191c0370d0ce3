import pytest

from pylb.registry.embedded.filter import (
    BOOLEAN,
    INTEGER,
    STRING,
    STRINGS,
    compile_filter,
    list_of,
    map_of,
    structure,
)
from pylb.registry.embedded.filter_grammar import FilterError

ENTRY = structure(
    Name=STRING,
    Port=INTEGER,
    Spare=BOOLEAN,
    Tags=STRINGS,
    Meta=map_of(STRING),
    Checks=list_of(structure(Status=STRING, Tags=STRINGS)),
    Addresses=map_of(structure(Port=INTEGER)),
)
ENTRIES = {
    "full": {
        "Name": "web",
        "Port": 80,
        "Spare": True,
        "Tags": ("a", "b"),
        "Meta": {"k": "v"},
        "Checks": [{"Status": "passing", "Tags": ()}, {"Status": "critical", "Tags": ("x",)}],
        "Addresses": {"lan": {"Port": 1}},
    },
    "lean": {"Name": "db", "Meta": None, "Checks": [{"Status": "passing"}]},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["full", "lean"]),
        ("Name == web", ["full"]),
        ("Name != web", ["lean"]),
        ("Name matches `^w`", ["full"]),
        ("Name contains e", ["full"]),
        ("Port == 0", ["lean"]),
        ("Port != 80", ["lean"]),
        ("Spare == t", ["full"]),
        ("Spare == false", ["lean"]),
        ("a in Tags", ["full"]),
        ("a not in Tags", ["lean"]),
        ("Tags is empty", ["lean"]),
        ("Meta is not empty", ["full"]),
        ("Meta.k == v", ["full"]),
        ("Meta.k != v", ["lean"]),
        ("Meta.none matches v", ["full", "lean"]),
        ("k in Meta", ["full"]),
        ("Checks.Status == critical", ["full"]),
        ("Checks.Status != passing", ["full"]),
        ("not Checks.Status == critical", ["lean"]),
        ("x in Checks.Tags", ["full"]),
        ("Checks is empty", []),
        ("Addresses.lan.Port == 1", ["full"]),
        ("Addresses.wan.Port != 1", ["full", "lean"]),
        ("lan in Addresses", ["full"]),
        ("Name == web or Name == db", ["full", "lean"]),
        ("Name == web and Name == db", []),
    ],
)
def test_who_is_let_through(text, expected):
    wanted = compile_filter(text, ENTRY)
    assert [name for name, entry in ENTRIES.items() if wanted(entry)] == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("None == 1", 'Selector "None" is not valid'),
        ("Name.x == 1", 'Selector "Name.x" is not valid'),
        ("Checks.None == 1", 'Selector "Checks.None" is not valid'),
        ("Meta.k.z == 1", 'Selector "Meta.k.z" is not valid'),
        ("Tags == a", 'Invalid match operator "Equal" for selector "Tags"'),
        ("Name is empty", 'Invalid match operator "Is Empty" for selector "Name"'),
        ("Port contains 1", 'Invalid match operator "In" for selector "Port"'),
        ("x in Checks", 'Invalid match operator "In" for selector "Checks"'),
        (
            "Port == x",
            'Failed to coerce value "x" for selector "Port": strconv.ParseInt: parsing "x": invalid syntax',
        ),
        (
            "Spare == x",
            'Failed to coerce value "x" for selector "Spare": strconv.ParseBool: parsing "x": invalid syntax',
        ),
        ("Name matches `[`", 'Failed to compile regular expression "["'),
    ],
)
def test_what_is_refused(text, reason):
    with pytest.raises(FilterError) as refusal:
        compile_filter(text, ENTRY)
    assert str(refusal.value).startswith(reason)

"""The tables of docs/routes-import.md, row by row, against the readers."""

import re
from pathlib import Path

from pylb.routes.fabio import read_tag
from pylb.routes.traefik.routers import read_tags
from tests.every import every

PAGE = (Path(__file__).parents[2] / "docs" / "routes-import.md").read_text()
CODE = re.compile(r"``(.+?)``|`(.+?)`")
OUTCOMES = {"honoured", "blocked", "refused", "ignored", "setting"}


def codes(cell):
    return [(found[1] or found[2]).replace("\\|", "|") for found in CODE.finditer(cell)]


def rows(heading):
    """The rows of the tables whose first column has a heading: keys, examples, outcome."""
    found, inside = [], False
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells:
            inside = False
        elif cells[0] == heading:
            inside = True
        elif inside and not cells[0].startswith("---"):
            keys = codes(cells[0]) or ["any"]
            assert cells[2] in OUTCOMES, line
            found += [
                (key, example, cells[2])
                for key, example in zip(*expanded(keys, codes(cells[1])), strict=True)
            ]
    return found


def expanded(keys, examples):
    """Each key with its example: a first key that ends with a dot begins the others."""
    if len(keys) > 1 and keys[0].endswith("."):
        keys = [keys[0] + key for key in keys[1:]]
        return keys, (examples if len(examples) > 1 else examples * len(keys))
    if len(keys) > 1 and keys[0].endswith((".R.entrypoints", ".R.service")):
        keys = keys[:1]
    return keys[:1] * len(examples), examples


def outcome(routes, base, ignored):
    """What became of the routes, next to those without the key."""
    if any(route.blocked for route in routes):
        return "blocked"
    if not routes and base:
        return "refused"
    if {route.settings for route in routes} != {route.settings for route in base}:
        return "setting"
    return "honoured" if routes != base else "ignored" if ignored else "unchanged"


def tag_outcome(tag):
    try:
        tagged = read_tag(tag, "web", datacenter="dc1")
        base = read_tag("urlprefix-a.example/p", "web")
    except ValueError:
        return "refused"
    if tagged.weight:
        return "honoured"
    return outcome(tagged.routes, base.routes, tagged.ignored)


@every(("place", "example", "expected"), rows("place"))
def test_places_of_fabio(place, example, expected):
    assert tag_outcome(f"urlprefix-{example}") == expected


@every(("option", "example", "expected"), rows("option"))
def test_options_of_fabio(option, example, expected):
    name = {"any": "Strip"}.get(option, option.partition("=")[0])
    found = tag_outcome(f"urlprefix-a.example/p {name}={example}")
    assert found == ("unchanged" if example == "http" else expected)


RULE = "http.routers.R.rule=Host(`a.example`) && PathPrefix(`/p`)"
APPLIED = "http.routers.R.middlewares=M"
COMPANIONS = {
    "redirectregex": ["redirectregex.regex=^http://a/(.*)", "redirectregex.replacement=https://b/$1"],
    "redirectscheme": ["redirectscheme.scheme=https"],
    "replacepathregex": ["replacepathregex.regex=^/a(.*)", "replacepathregex.replacement=/b$1"],
    "ipallowlist": ["ipallowlist.sourcerange=192.0.2.0/24"],
    "ipwhitelist": ["ipwhitelist.sourcerange=192.0.2.0/24"],
    "headers": ["headers.stsseconds=1"],
    "stripprefix": ["stripprefix.prefixes=/x"],
}


def labels_for(key, example):
    """The labels of an instance that has the key, and of one that differs in nothing else."""
    parts = key.split(".")
    base = [RULE]
    if key.startswith("http.middlewares."):
        base += [APPLIED, "http.middlewares.N.stripprefix.prefixes=/n"]
        base += [f"http.middlewares.M.{each}" for each in COMPANIONS.get(parts[3], [])]
    if key.endswith(".middlewares") and "routers" in key:
        base += ["http.middlewares.m.stripprefix.prefixes=/x"]
    changed = [label for label in base if not label.startswith(f"{key}=")]
    return [*changed, f"{key}={example}"], base


def read(labels):
    return read_tags("web", [f"traefik.{label}" for label in labels])


@every(("key", "example", "expected"), rows("key"))
def test_labels_of_traefik(key, example, expected):
    labels, base = labels_for(key.rstrip(".") + ".any" * key.endswith("."), example)
    found, without = read(labels), read(base)
    bare = list(read([RULE]).routes)
    if key in ("http.routers.R.rule", "enable"):
        assert found != without
    elif expected == "refused":
        assert found.routes == without.routes
        assert len(found.problems) > len(without.problems)
    elif expected == "ignored" and key.startswith(("http.middlewares", "http.services")):
        assert list(found.routes) in (bare, list(without.routes))
    else:
        assert outcome(found.routes, without.routes, ignored=True) == expected


@every(("matcher", "example", "expected"), rows("matcher"))
def test_matchers_of_rules(matcher, example, expected):
    found = read([f"http.routers.R.rule=({example}) && PathPrefix(`/p`)"])
    assert outcome(found.routes, read([RULE]).routes, ignored=True) == expected


def test_the_tables_are_complete():
    """Each kind of middleware and key of a router that the readers know is in the table."""
    from pylb.routes.traefik.middlewares import _KINDS, _SECURITY, IGNORED

    listed = {key.split(".")[3] for key, *_ in rows("key") if key.startswith("http.middlewares.M.")}
    assert (set(_KINDS) | set(IGNORED)) - listed == set()
    options = {key.rpartition(".")[2] for key, *_ in rows("key") if ".headers." in key}
    assert set(_SECURITY) - options == set()
    assert len(rows("key")) > 190

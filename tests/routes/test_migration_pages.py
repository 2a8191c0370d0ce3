"""The pages that migrate a configuration: the old one, pylb's file, and a table of requests."""

import json
from pathlib import Path

import pytest

from bench.routes.labelled import labels_of
from bench.routes.pages import block, table
from pylb.routes.file import read_file
from tests.routes.heads import compiled
from tests.routes.imports import imported
from tests.routes.outcome import outcome

DOCS = Path(__file__).parents[2] / "docs"


def page(name):
    return DOCS / f"from-{name}.md"


def of_file(name):
    declared = read_file(block(page(name), "toml"), "routes.toml")
    return compiled([route for each in declared for route in each.routes])


def of_tags():
    services = json.loads(block(page("fabio"), "json"))
    return imported({each["Name"]: each["Tags"] for each in services})


def of_labels():
    return imported(labels_of(block(page("traefik"), "yaml")))


def differing(routes, name):
    return [
        (case.send, found)
        for case in table(page(name))
        if (found := outcome(routes, case.send, address="127.0.0.1")) != (case.pylb or case.gets)
    ]


@pytest.mark.parametrize("name", ["fabio", "traefik", "nginx-locations"])
def test_the_file_does_what_the_page_says(name):
    routes = of_file(name)
    assert not routes.problems
    assert len(table(page(name))) >= 8
    assert differing(routes, name) == []


@pytest.mark.parametrize(("name", "read"), [("fabio", of_tags), ("traefik", of_labels)])
def test_the_tags_do_what_the_page_says(name, read):
    routes, problems = read()
    assert not problems
    assert differing(routes, name) == []


def test_the_canary_of_the_page_needs_its_field():
    for routes in (of_file("traefik"), of_labels()[0]):
        assert outcome(routes, "GET http://shop.example.com/api/x", "X-Canary: 1") == "canary /x"

"""The sets of tags and labels in tests/scenarios/routes, as the readers translate them."""

import json
from pathlib import Path

import pytest

from bench.routes.cases import read_cases
from bench.routes.labelled import labelled_services
from tests.every import every
from tests.routes.imports import imported
from tests.routes.outcome import outcome

SETS = Path(__file__).parents[1] / "scenarios" / "routes"


def tagged_services():
    return {each["Name"]: each["Tags"] for each in json.loads((SETS / "fabio.json").read_text())}


@pytest.fixture(scope="module")
def tables():
    services = {"fabio": tagged_services(), "traefik": labelled_services(SETS / "compose.yml")}
    return {name: imported(each)[0] for name, each in services.items()}


CASES = [(name, case) for name in ("fabio", "traefik") for case in read_cases(SETS / f"{name}.toml")]


@every(("name", "case"), CASES)
def test_a_request_goes_where_fabio_and_traefik_send_it(tables, name, case):
    assert outcome(tables[name], case.send, *case.fields, address="127.0.0.1") == (case.pylb or case.gets)


def test_a_difference_has_a_reason():
    assert [case.send for _, case in CASES if bool(case.pylb) > bool(case.why)] == []
    assert len(CASES) > 80

"""What the documents say of observability is so: metrics, letters of the access log."""

import json
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from pylb.errors import Fault, Phase
from pylb.model import Endpoint, PoolState
from pylb.observe import exposition
from pylb.observe.counter_layout import GRPC
from pylb.observe.exposition import Family
from tests.admin.conftest import clock, counters, know, operator, pools, view  # noqa: F401
from tests.every import every

DOCS = Path(__file__).parents[1] / "docs"
DASHBOARD = json.loads((DOCS / "monitoring/grafana.json").read_text())
ALERTS = yaml.safe_load((DOCS / "monitoring/alerts.yml").read_text())
EXPRESSIONS = {
    **{f"{p['title']} {t['refId']}": t["expr"] for p in DASHBOARD["panels"] for t in p["targets"]},
    **{rule["alert"]: rule["expr"] for group in ALERTS["groups"] for rule in group["rules"]},
}


@pytest.fixture
def exposed(view, know):  # noqa: F811
    """The names of all samples, and the labels of each."""
    know("web", Endpoint("web", "10.0.0.1", 80))
    know("api")
    view.watches["web"].guards["throttled"] += 1
    view.counters.service("web")[GRPC] += 1  # Codes are shown once they have occurred.
    entry = view.history.record(PoolState("web", ()))
    view.history.was_routed(entry, 1.0)
    names = {}
    for family in text_string_to_metric_families("".join(view.metrics())):
        for sample in family.samples:
            names.setdefault(sample.name, set()).update(sample.labels)
    return names


@every("name", EXPRESSIONS)
def test_queried_metrics_and_labels_exist(exposed, name):
    expression = EXPRESSIONS[name]
    metrics = re.findall(r"\bpylb_\w+", expression)
    assert metrics
    assert set(metrics) <= exposed.keys()
    labels = set(re.findall(r"(\w+)=~?\"", expression))
    for group in re.findall(r"by \(([^)]*)\)", expression):
        labels |= set(group.split(", "))
    for metric in metrics:
        assert labels <= exposed[metric], metric
    assert expression.count("(") == expression.count(")")


def test_panels_do_not_overlap_and_fill_their_rows():
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)
    assert all(p["gridPos"]["x"] + p["gridPos"]["w"] <= 24 for p in DASHBOARD["panels"])


def test_every_alert_has_a_description():
    for rule in ALERTS["groups"][0]["rules"]:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"]


def test_every_letter_of_the_access_log_is_explained():
    page = (DOCS / "observability.md").read_text()
    first = set(re.findall(r"^\| `(.)` \|", page, flags=re.MULTILINE))
    second = set(re.findall(r"^\|[^|]*\|[^|]*\| \| `(.)` \|", page, flags=re.MULTILINE))
    assert first == {fault.value for fault in Fault} | {"-"}
    assert second == {phase.value for phase in Phase}


def test_the_table_lists_exactly_the_metrics():
    page = (DOCS / "observability.md").read_text()
    table = page.partition("| metric |")[2].partition("\n\n")[0]
    listed = set(re.findall(r"`(pylb_[a-z0-9_]+[a-z])`", table))
    declared = [value for value in vars(exposition).values() if isinstance(value, Family)]
    for value in vars(exposition).values():
        if isinstance(value, tuple) and value and isinstance(value[0], Family):
            declared += value
    assert listed == {f"pylb_{family.name}" for family in declared}

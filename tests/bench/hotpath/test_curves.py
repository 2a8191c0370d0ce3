"""The points of curves, and their part of the page."""

from itertools import groupby

import pytest

from bench.hotpath.curves import CURVES, FEWEST_HEADERS, Point, SetUp
from bench.lib.workload import BROWSER_HEADERS
from bench.report.parts.curves import part
from bench.report.theme import LIGHT

pytestmark = pytest.mark.slow


def points():
    return [Point(name, place) for name, curve in CURVES.items() for place in curve.places]


def test_each_point_varies_one_parameter():
    assert Point("connections", 512).workload.connections == 512
    assert Point("headers", 50).workload.extra_headers + len(BROWSER_HEADERS) + 1 == 50
    assert Point("headers", FEWEST_HEADERS).workload.extra_headers == 0
    assert Point("backends", 1000).set_up == SetUp(origins=1000)
    assert Point("services", 100).set_up == SetUp(services=100)
    assert Point("services", 100).workload.services == 100


def test_proxies_are_restarted_only_for_another_configuration():
    set_ups = [set_up for set_up, _ in groupby(points(), lambda point: point.set_up)]
    assert set_ups[0] == SetUp()
    assert len(set_ups) == 1 + len(CURVES["backends"].places) + len(CURVES["services"].places)


def sample(peer, cpu):
    return {"peer": peer, "user": cpu / 2, "system": cpu / 2}


def test_a_curve_becomes_a_picture_and_a_table():
    nginx, pylb = [sample("nginx", 20)], [sample("pylb", 28), sample("pylb", 32)]
    written = {
        "along": {"backends": "backends of the service"},
        "points": [
            {"curve": "backends", "place": 3, "samples": [*pylb, *nginx]},
            {"curve": "backends", "place": 1000, "samples": pylb},
            {"curve": "services", "place": 1, "samples": pylb},
        ],
    }
    made = part(written)
    assert "| CPU µs per request | 3 | 1,000 |" in made.text
    assert "| pylb | 30.0 ± 2.0 | 30.0 ± 2.0 |\n| nginx | 20.0 |  |" in made.text
    assert [each.what for each in made.comparisons] == ["backends = 3: CPU, µs", "backends = 1,000: CPU, µs"]
    (draw,) = made.pictures.values()
    picture = draw(LIGHT)
    assert picture == draw(LIGHT)
    assert b"backends of the service" in picture
    assert LIGHT.peers["pylb"].encode() in picture
